// plan_page.js PAGE JSON - runs the script of a page without a browser and compares its figures with the JSON.
import { readFileSync } from 'node:fs';
const page = readFileSync(process.argv[2], 'utf8');
const sheet = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const script = page.match(/<script>([\s\S]*)<\/script>/)[1];
const inputs = {}, nodes = {};
for (const m of page.matchAll(/<input id="(\w+)"( data-percent="1")?[^>]* value="([^"]*)"/g))
    inputs[m[1]] = {value: m[3], dataset: m[2] ? {percent: '1'} : {}};
const element = () => ({dataset: {}, setAttribute() {}, append() {}, replaceChildren() {}, addEventListener() {}});
const document = {
    querySelector: s => inputs[s.slice(1)] || (nodes[s] = nodes[s] || element()),
    createElementNS: element,
    addEventListener() {},
};
const values = new Function('document', script + ';return evaluate();')(document);
for (const row of [...sheet.inputs, ...sheet.results])
    if (!(Math.abs(values[row.name] - row.value) <= 1e-9 * Math.abs(row.value)))
        console.log(`${row.name}: ${values[row.name]}, expected ${row.value}`);
for (const text of sheet.words)
    if (!Object.values(nodes).some(n => n.textContent === text && n.hidden === false)) console.log(`not said: ${text}`);
