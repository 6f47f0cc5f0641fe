// schemas.mjs URL KEY SCHEMAS [all] - answers that follow the schemas of BFCL's tools and of the JSON-Schema-Test-Suite, checked
// by ajv: a part of them, or all. Prints how many schemas of each keyword were taken.
import fs from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [url, key, folder, mode] = process.argv.slice(2), all = mode === 'all';
const send = (where, body) => fetch(url + where, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: JSON.stringify(body) });

// The model is one of verse: what ends strings and lists is made likelier, or answers would not come to an end.
const bias = {};
for (const [text, more] of [['"', 12], ['}', 8], [']', 8], ['{', -2], ['[', -1]]) {
    const { tokens } = await (await send('/tokenize', { content: text })).json();
    if (tokens.length === 1) bias[tokens[0]] = more;
}

// Types as languages call them, which BFCL has.
const names = { dict: 'object', float: 'number', tuple: 'array', list: 'array', bool: 'boolean', int: 'integer' };
const standard = schema => {
    if (Array.isArray(schema)) return schema.map(standard);
    if (typeof schema !== 'object' || schema === null) return schema;
    const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) =>
        [name, ['enum', 'const', 'default', 'required', 'examples'].includes(name) ? value : standard(value)]));
    if (copy.type === 'any') delete copy.type;
    if (typeof copy.type === 'string') copy.type = names[copy.type] ?? copy.type;
    delete copy.optional;
    return copy;
};

const cases = [], seen = new Set();
for (const file of fs.readdirSync(path.join(folder, 'bfcl')).filter(f => f.endsWith('.json'))) {
    let count = 0;
    for (const line of fs.readFileSync(path.join(folder, 'bfcl', file), 'utf8').split('\n').filter(Boolean))
        for (const f of [JSON.parse(line).function].flat())
            if (!seen.has(JSON.stringify(f.parameters)) && seen.add(JSON.stringify(f.parameters)) && (all || count++ % 400 === 0)) cases.push({ group: 'bfcl', name: `${file} ${f.name}`, schema: f.parameters, check: standard(f.parameters), draft: '' });
}
for (const draft of ['draft7', 'draft2020-12'])
    for (const file of fs.readdirSync(path.join(folder, 'json-schema-test-suite/tests', draft)).filter(f => f.endsWith('.json')))
        JSON.parse(fs.readFileSync(path.join(folder, 'json-schema-test-suite/tests', draft, file))).forEach((group, index) => {
            if (all || index % 17 === 1)
                cases.push({ group: `${draft}/${file.slice(0, -5)}`, name: `${draft}/${file}: ${group.description}`, schema: group.schema, check: group.schema, draft, satisfiable: group.tests.some(t => t.valid) });
        });

const compile = ({ check, draft }) => {
    const ajv = new (draft === 'draft2020-12' ? Ajv2020 : Ajv)({ strict: false, validateFormats: draft !== 'draft2020-12', logger: false });
    addFormats(ajv);
    return ajv.compile(check);
};

const tally = new Map(), reasons = new Map();
let valid = 0, cut = 0, wrong = 0, unchecked = 0;
const one = async test => {
    const row = tally.get(test.group) ?? { taken: 0, refused: 0 };
    tally.set(test.group, row);
    let validate, last;
    for (let seed = 1; seed <= 4; seed++) {
        const reply = await send('/v1/chat/completions', { model: 'deepseek-chat', messages: [{ role: 'user', content: 'json' }], max_tokens: [200, 400, 1000, 3000][seed - 1], seed, temperature: 1.2,
            logit_bias: bias, response_format: { type: 'json_schema', json_schema: { name: 's', schema: test.schema } } });
        const body = await reply.json();
        if (reply.status === 400) {
            row.refused++;
            const why = body.error.message.replace(/^response_format[^:]*: /, '');
            reasons.set(why, (reasons.get(why) ?? 0) + 1);
            return;
        }
        if (reply.status !== 200) throw new Error(`${test.name}: status ${reply.status}`);
        if (seed === 1) row.taken++;
        const { message: { content }, finish_reason } = body.choices[0];
        last = content;
        if (finish_reason !== 'stop') continue;
        try { validate ??= compile(test); } catch { unchecked++; return; } // schemas that ajv itself does not take
        let ok = false;
        try { ok = validate(JSON.parse(content)); } catch (error) { console.log(error.message); }
        if (ok) valid++;
        else { wrong++; console.log(`wrong: ${test.name}: ${content.slice(0, 300)}: ${JSON.stringify(validate.errors)?.slice(0, 300)}`); }
        return;
    }
    cut++;
    if (process.env.VERBOSE) console.log(`cut: ${test.name}: ${last}`);
};
const workers = Array.from({ length: 8 }, async () => {
    while (cases.length) await one(cases.pop());
});
await Promise.all(workers);
if (all) {
    for (const [group, { taken, refused }] of [...tally].sort()) console.log(`${group}: ${taken} of ${taken + refused} taken`);
    for (const [why, count] of [...reasons].sort((a, b) => b[1] - a[1])) console.log(`refused ${count}: ${why}`);
}
const taken = [...tally.values()].reduce((sum, row) => sum + row.taken, 0), refused = [...tally.values()].reduce((sum, row) => sum + row.refused, 0);
console.log(`${taken} schemas taken, ${refused} refused; ${valid} answers valid, ${wrong} not, ${cut} without an end, ${unchecked} that ajv cannot check`);
process.exit(wrong || valid < taken * 0.9 ? 1 : 0);
