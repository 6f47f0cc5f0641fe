/* browser.mjs - one browser, pages in profiles of their own, and what every test asks of every page: no error, nothing
 * that the policy had to stop, no request to anybody but the server. */
import { chromium } from 'playwright-core';
import { join } from 'node:path';

export const [open, locked, key] = process.argv.slice(2);
const only = process.argv[5]; // a part of the names of the checks to run
let failures = 0;
let browser = null;
const complaints = [];
const BUDGET = 200; // seconds: on a machine that is busy with others, what is left is skipped

export async function begin() {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-extensions', '--disable-background-networking'] });
}

export async function end() {
    await browser.close();
    return failures;
}

export function expect(condition, what) {
    if (!condition) throw new Error(what);
}

export function same(found, wanted, what) {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}

/* Errors that a page must not have; those of the network are what some tests are about. */
function watch(page, url) {
    page.setDefaultTimeout(30000);
    page.on('pageerror', (error) => complaints.push(error.stack));
    page.on('console', (message) => {
        const text = message.text();
        if (message.type() === 'error' && !/Failed to load resource|ERR_INTERNET_DISCONNECTED/.test(text)) complaints.push(text);
    });
    page.on('request', (request) => {
        const address = request.url();
        if (!address.startsWith(url) && !/^(data|blob):/.test(address)) complaints.push(`asked for ${address}`);
    });
}

/** A page in a profile of its own, when it has begun. */
export async function openPage(options = {}, url = open, path = '') {
    const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, locale: 'en-US', reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    watch(page, url);
    await page.goto(url + path);
    await page.waitForSelector('body[data-ready]');
    return page;
}

export async function check(name, work) {
    if (only && !name.includes(only)) return;
    if (performance.now() > BUDGET * 1000) {
        console.log(`skipped - ${name}: the machine is too busy`);
        return;
    }
    complaints.length = 0;
    const begun = performance.now();
    const pages = [];
    const openOne = async (...parameters) => {
        pages.push(await openPage(...parameters));
        return pages[pages.length - 1];
    };
    try {
        await work(openOne);
        if (complaints.length > 0) throw new Error(complaints.slice(0, 3).join(' | '));
        console.log(`ok - ${name}`);
    } catch (error) {
        failures++;
        console.log(`not ok - ${name}: ${error.message.split('\n').slice(0, 4).join(' ')} ${complaints[0] || ''}`);
        if (pages[0]) await shot(pages[0], `failed-${name.replace(/\W+/g, '-').slice(0, 40)}`).catch(() => {});
    }
    for (const page of pages) await page.context().close();
    if (process.env.TIMES) console.log(`${((performance.now() - begun) / 1000).toFixed(1)} s`);
}

export const shot = (page, name) => page.screenshot({ path: join('screenshots', `${name}.png`) });

/* ---- what people do ---- */

export async function say(page, text) {
    await page.fill('#message', text);
    await page.press('#message', 'Enter');
    await page.waitForSelector('.assistant');
}

/** Waits for what only the test can see. */
export async function until(holds, what) {
    const end = performance.now() + 30000;
    while (!(await holds())) {
        if (performance.now() > end) throw new Error(`${what}: it did not happen`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** Waits until what is read is what is wanted; says what it was otherwise. */
export async function soon(read, wanted, what) {
    const end = performance.now() + 30000;
    let found = await read();
    while (JSON.stringify(found) !== JSON.stringify(wanted) && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        found = await read();
    }
    same(found, wanted, what);
}

/** Answers that a model would end early go on until somebody stops them, and come slowly, however fast the machine is. */
export async function neverEnding(page) {
    await page.route('**/chat/completions', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ignore_eos: true }) }));
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: 60000, uploadThroughput: -1 });
}

export const streams = (page) => page.waitForSelector('#send[aria-label="Stop"]');
export const idle = (page) => page.waitForSelector('#send[aria-label="Send"]');
export const texts = (page, selector) => page.locator(selector).allInnerTexts();

/** What the database has, without the page's help. */
export function stored(page) {
    return page.evaluate(async () => {
        const ask = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
        const database = await ask(indexedDB.open('hadal'));
        const all = (name) => ask(database.transaction(name).objectStore(name).getAll());
        const result = { chats: await all('chats'), messages: await all('messages') };
        database.close();
        return result;
    });
}

/** A file of our own form, given to the page as the user gives it. */
export async function importChats(page, data) {
    await page.click('#settings');
    const packed = Buffer.isBuffer(data);
    await page.setInputFiles('dialog input[type=file]', { name: packed ? 'data.zip' : 'chats.json', mimeType: packed ? 'application/zip' : 'application/json', buffer: packed ? data : Buffer.from(JSON.stringify(data)) });
    await page.waitForSelector('.toast');
}

/** One chat whose messages are these, in turns. */
export function chatOf(title, ...contents) {
    const messages = contents.map((content, i) => ({ id: `m${i}`, chat: 'c', parent: i ? `m${i - 1}` : null, role: i % 2 ? 'assistant' : 'user', created: i + 1, content }));
    return { format: 'hadal-chats', version: 1, chats: [{ id: 'c', title, created: 1, updated: Date.now(), leaf: `m${contents.length - 1}` }], messages };
}

export async function openImported(page, title, ...contents) {
    await importChats(page, chatOf(title, ...contents));
    await page.click(`.row a:has-text("${title}")`);
    await page.waitForSelector('.message');
}
