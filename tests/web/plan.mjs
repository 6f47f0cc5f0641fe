/* plan.mjs FOLDER - pages of hadal plan --html, NAME.html beside NAME.json: what they compute when an assumption is changed,
 * that they load nothing and complain of nothing, what axe says, and a phone. */
import { chromium } from 'playwright-core';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { violations } from './axe.mjs';

const folder = process.argv[2];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'] });
let failures = 0;

const same = (found, wanted, what) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`);
};
const texts = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('span[id^=out_]')].map((e) => [e.id.slice(4), e.textContent])));

async function look(name) {
    const sheet = JSON.parse(await readFile(join(folder, `${name}.json`)));
    const changed = JSON.parse(await readFile(join(folder, `${name}.changed.json`)));
    const { set } = JSON.parse(await readFile(join(folder, `${name}.set`)));
    const complaints = [];
    for (const [colorScheme, width] of [['light', 1280], ['dark', 1280], ['light', 360]]) {
        const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 }, isMobile: width < 500 });
        const page = await context.newPage();
        page.on('pageerror', (error) => complaints.push(error.stack));
        page.on('console', (message) => complaints.push(message.text()));
        page.on('request', (request) => request.url().startsWith('file:') || complaints.push(`asked for ${request.url()}`));
        await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
        same(Object.keys(await texts(page)).length, sheet.results.length, 'results');
        same(await page.evaluate(() => document.querySelectorAll('svg rect').length > 0), sheet.results.length > 0, 'bars');
        const before = await texts(page);
        await page.fill(`#${set[0]}`, String(set[1]));
        const after = await texts(page);
        const moved = changed.results.filter((row) => row.value !== sheet.results.find((r) => r.name === row.name).value);
        same(moved.length > 0, true, 'something depends on the input');
        for (const row of moved) {
            const number = parseFloat(after[row.name].replace(/,/g, ''));
            const unit = / trillion$/.test(after[row.name]) ? 1e12 : / billion$/.test(after[row.name]) ? 1e9 : after[row.name].endsWith('%') ? 0.01 : 1;
            const known = Number.isFinite(number) && row.value !== null;
            if (known && Math.abs(number * unit - row.value) > 6e-4 * Math.abs(row.value) + 0.5 * (row.value > 1000) + 5e-4 * (unit === 0.01))
                throw new Error(`${row.name}: the page says ${after[row.name]}, hadal plan ${row.value}`);
        }
        await page.click('#first-values');
        same(await texts(page), before, 'back to the first values');
        same(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), true, `no sideways scrolling at ${width}`);
        same(await violations(page), [], `axe, ${colorScheme}, ${width}`);
        await page.screenshot({ path: join('screenshots', `plan-${name}-${colorScheme}-${width}.png`) });
        await context.close();
    }
    same(complaints, [], 'complaints');
}

for (const file of (await readdir(folder)).filter((f) => f.endsWith('.html')).sort()) {
    const name = file.slice(0, -5);
    try {
        await look(name);
        console.log(`ok - the page of ${name}: computes again, complains of nothing, axe, phone`);
    } catch (error) {
        failures++;
        console.log(`not ok - the page of ${name}: ${error.message.split('\n').slice(0, 3).join(' ')}`);
    }
}
await browser.close();
process.exitCode = failures > 0 ? 1 : 0;
