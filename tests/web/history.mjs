/* history.mjs - the list of chats, files of chats, and very long ones. */
import { readFile } from 'node:fs/promises';
import { deflateRawSync } from 'node:zlib';
import { check, expect, same, soon, until, texts, stored, shot, importChats, openImported, chatOf } from './browser.mjs';

/* As chat.deepseek.com exports: a tree of nodes, whose messages are fragments. */
const node = (id, parent, children, ...fragments) => ({
    id,
    parent,
    children,
    message: fragments.length ? { files: [], model: 'deepseek-reasoner', inserted_at: '2025-03-30T04:49:37.018000+08:00', fragments: fragments.map(([type, content]) => ({ type, content })) } : null,
});
const exported = [
    {
        id: '801e9692',
        title: 'Capitals',
        inserted_at: '2025-03-30T04:49:36.505000+08:00',
        updated_at: '2025-03-30T04:50:29.156000+08:00',
        mapping: {
            root: node('root', null, ['1']),
            1: node('1', 'root', ['2', '3'], ['REQUEST', 'What is the capital of France?']),
            2: node('2', '1', [], ['THINK', 'Easy.'], ['RESPONSE', 'Lyon.']),
            3: node('3', '1', ['4'], ['THINK', 'They ask for the capital.'], ['RESPONSE', '**Paris**.']),
            4: node('4', '3', ['5'], ['REQUEST', 'And of Italy?']),
            5: node('5', '4', ['1'], ['RESPONSE', 'Rome.']), // a cycle, which no export should have
        },
    },
    { id: 'x', title: 'damaged', mapping: 7 },
];

/* An archive with these files, packed and plain in turns. */
function zipOf(files) {
    const parts = [];
    const list = [];
    let place = 0;
    Object.entries(files).forEach(([name, text], i) => {
        const packed = i % 2 ? deflateRawSync(Buffer.from(text)) : Buffer.from(text);
        const head = Buffer.alloc(30);
        head.writeUInt32LE(0x04034b50, 0);
        head.writeUInt16LE(i % 2 ? 8 : 0, 8);
        head.writeUInt16LE(name.length, 26);
        const entry = Buffer.alloc(46);
        entry.writeUInt32LE(0x02014b50, 0);
        entry.writeUInt16LE(i % 2 ? 8 : 0, 10);
        entry.writeUInt32LE(packed.length, 20);
        entry.writeUInt16LE(name.length, 28);
        entry.writeUInt32LE(place, 42);
        parts.push(head, Buffer.from(name), packed);
        list.push(entry, Buffer.from(name));
        place += 30 + name.length + packed.length;
    });
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(Object.keys(files).length, 10);
    end.writeUInt32LE(place, 16);
    return Buffer.concat([...parts, ...list, end]);
}

const rowMenu = async (page, title, item) => {
    await page.hover(`.row:has-text("${title}")`);
    await page.click(`.row:has-text("${title}") .icon-button`);
    await page.getByRole('menuitem', { name: item, exact: true }).click();
};

export async function checkHistory() {
    await check('the export of chat.deepseek.com is imported with its branches', async (openPage) => {
        const page = await openPage();
        await importChats(page, exported);
        same(await texts(page, '.toast span'), ['1 chats with 5 messages were imported.'], 'what it says');
        await page.click('.row a:has-text("Capitals")');
        await page.waitForSelector('.assistant strong');
        await soon(() => texts(page, '.user .bubble'), ['What is the capital of France?', 'And of Italy?'], 'the questions');
        await soon(() => texts(page, '.version'), ['2 / 2'], 'the versions');
        await page.locator('.thinking summary').first().click();
        await page.waitForFunction(() => document.querySelector('.reasoning').innerText === 'They ask for the capital.');
        await page.getByRole('button', { name: 'Previous version' }).click();
        await page.waitForFunction(() => document.querySelector('.assistant .markdown').innerText === 'Lyon.');
    });

    await check('and as the archive that it comes in', async (openPage) => {
        const page = await openPage();
        await importChats(page, zipOf({ 'user.json': '{}', 'conversations.json': JSON.stringify(exported) }));
        same(await texts(page, '.toast span'), ['1 chats with 5 messages were imported.'], 'what it says');
        for (const bad of [zipOf({ 'user.json': '{}' }), zipOf({ 'conversations.json': 'no JSON' }), Buffer.from('PK\x03\x04 damaged'), zipOf({ 'conversations.json': '[]' }).subarray(0, -10)]) {
            const before = await page.locator('.toast').count();
            await importChats(page, bad);
            await page.waitForFunction((count) => [...document.querySelectorAll('.toast')].length > count && document.querySelector('.toast:last-child').innerText.includes('No chats were found'), before);
        }
    });

    await check('chats are renamed, pinned, found, deleted and brought back', async (openPage) => {
        const page = await openPage();
        await openImported(page, 'About whales', 'How deep do they dive?', 'Cuvier’s beaked whale: 2,992 metres.');
        await openImported(page, 'About bread', 'How long in the oven?', 'Forty minutes.');
        await soon(() => texts(page, '.row-title'), ['About bread', 'About whales'], 'the newest is first');
        await rowMenu(page, 'whales', 'Pin');
        await page.waitForFunction(() => document.querySelector('.row-title').innerText === 'About whales');
        await soon(async () => [await texts(page, '.row-title'), await texts(page, '.chats h2')], [['About whales', 'About bread'], ['Pinned', 'Today']], 'pinned');
        await rowMenu(page, 'whales', 'Rename');
        await page.fill('.rename', 'The deep');
        await page.press('.rename', 'Enter');
        await page.waitForSelector('.row:has-text("The deep")');
        await page.keyboard.press('Control+k');
        await page.keyboard.type('beaked');
        await page.waitForSelector('.piece');
        await soon(() => texts(page, '.row-title'), ['The deep'], 'found by a word of a message');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.querySelector('.assistant .markdown')?.innerText.includes('beaked'));
        await page.fill('#search', '');
        await rowMenu(page, 'The deep', 'Delete');
        await page.waitForFunction(() => document.querySelectorAll('.row').length === 1 && document.querySelectorAll('.message').length === 0);
        await soon(async () => [(await stored(page)).chats.length, await page.locator('.message').count()], [1, 0], 'it is gone');
        await page.getByRole('button', { name: 'Undo' }).click();
        await page.waitForFunction(() => document.querySelector('.assistant .markdown')?.innerText.includes('beaked'));
        await soon(async () => (await stored(page)).chats.length, 2, 'it is back');
    });

    await check('what is exported comes back the same', async (openPage) => {
        const page = await openPage();
        await importChats(page, exported);
        const [download] = await Promise.all([page.waitForEvent('download'), page.click('#settings').then(() => page.getByRole('button', { name: 'Export all chats' }).click())]);
        const data = JSON.parse(await readFile(await download.path(), 'utf8'));
        await page.keyboard.press('Escape');
        await page.click('#settings');
        await page.getByRole('button', { name: 'Delete all chats' }).click();
        await page.waitForFunction(() => document.querySelectorAll('.row').length === 0);
        await page.locator('.toast button[aria-label=Close]').first().click();
        await importChats(page, data);
        const after = await stored(page);
        const plain = ({ messages }) => messages.map(({ role, content, reasoning }) => ({ role, content, reasoning })).sort((a, b) => a.content.localeCompare(b.content));
        same(plain(after), plain(data), 'the messages');
        await page.click('.row a:has-text("Capitals")');
        await page.waitForSelector('.version');
        await soon(() => texts(page, '.user .bubble'), ['What is the capital of France?', 'And of Italy?'], 'the branch that was shown');
    });

    await check('ten thousand messages: few exist, none is lost, none jumps', async (openPage) => {
        const page = await openPage();
        const contents = Array.from({ length: 10000 }, (_, i) => (i % 2 ? `Answer ${i}.\n\n${'A line of text that goes on for a while. '.repeat((i % 7) + 1)}` : `Question ${i}`));
        await openImported(page, 'Very long', ...contents);
        const state = () =>
            page.evaluate(() => {
                const frame = document.querySelector('#scroll');
                const box = frame.getBoundingClientRect();
                const seen = [...document.querySelectorAll('.message')].filter((message) => message.getBoundingClientRect().bottom > box.top && message.getBoundingClientRect().top < box.bottom);
                return { exist: document.querySelectorAll('.message').length, seen: seen.map((message) => message.innerText.match(/(?:Question|Answer) (\d+)/)?.[1]).map(Number) };
            });
        const scroll = async (top) => {
            await page.evaluate((value) => (document.querySelector('#scroll').scrollTop = value < 0 ? document.querySelector('#scroll').scrollHeight * -value : value), top);
        };
        const whole = (seen) => seen.length > 1 && seen.every((number, i) => i === 0 || number === seen[i - 1] + 1);
        const at = async (index) => (await state()).seen.at(index);
        await soon(() => at(-1), 9999, 'it begins at the end');
        let now = await state();
        expect(now.exist < 80, `${now.exist} messages exist`);
        const settle = async (place) => {
            await scroll(place);
            await until(async () => {
                const before = now;
                now = await state();
                return whole(now.seen) && now.exist < 80 && JSON.stringify(now) === JSON.stringify(before);
            }, `at ${place}: messages without a gap`);
        };
        for (const place of [-0.5, -0.9, -0.1, -0.7]) await settle(place);
        await until(async () => {
            await scroll(0);
            return (await at(0)) === 0;
        }, 'the first message is at the top');
        // Steps of the wheel upwards in the middle: what is in sight moves by what was turned, whatever was guessed.
        await settle(-0.4);
        for (let i = 0; i < 6; i++) {
            const moved = await page.evaluate(async () => {
                const frame = document.querySelector('#scroll');
                const box = frame.getBoundingClientRect();
                const message = [...document.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().top > box.top);
                const before = message.getBoundingClientRect().top;
                frame.scrollBy(0, -200);
                await new Promise((resolve) => setTimeout(resolve, 150));
                return message.isConnected ? Math.round(message.getBoundingClientRect().top - before) : 'gone';
            });
            expect(Math.abs(moved - 200) <= 2, `a step of 200 moved by ${moved}`);
        }
        await page.click('#to-bottom');
        await soon(() => at(-1), 9999, 'the button leads to the end');
        await shot(page, 'long');
    });

    await check('many chats are listed in pages', async (openPage) => {
        const page = await openPage();
        const chats = Array.from({ length: 250 }, (_, i) => ({ id: `c${i}`, title: `Chat ${i}`, created: i, updated: Date.now() - i * 86400000, leaf: `m${i}` }));
        const messages = chats.map((chat, i) => ({ id: `m${i}`, chat: chat.id, parent: null, role: 'user', created: 1, content: `Number ${i}` }));
        await importChats(page, { ...chatOf('x'), chats, messages });
        await soon(() => page.locator('.row').count(), 100, 'the first page');
        await page.click('.more');
        await soon(() => page.locator('.row').count(), 200, 'the second');
        same(await texts(page, '.chats h2'), ['Today', 'Yesterday', 'Last 7 days', 'Last 30 days', 'Older'], 'the groups');
    });
}
