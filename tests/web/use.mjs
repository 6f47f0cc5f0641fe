/* use.mjs - keyboard, input methods, languages, sizes, screen readers, files, keys of the API. */
import { spawn } from 'node:child_process';
import { openWorld } from './search_world.mjs';
import { check, expect, same, soon, say, streams, idle, neverEnding, texts, stored, shot, importChats, openImported, locked, key, open } from './browser.mjs';
import { rich } from './rendering.mjs';
import { violations } from './axe.mjs';

/* A PDF of one page with one line, whose offsets are right. */
function pdfOf(line) {
    const stream = `BT /F1 18 Tf 72 720 Td (${line}) Tj ET`;
    const objects = ['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>', '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>', `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`, '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'];
    let text = '%PDF-1.4\n';
    const offsets = objects.map((object, i) => {
        const at = text.length;
        text += `${i + 1} 0 obj\n${object}\nendobj\n`;
        return at;
    });
    const table = text.length;
    text += `xref\n0 6\n0000000000 65535 f \n${offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('')}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`;
    return Buffer.from(text, 'latin1');
}

const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.innerText);

export async function checkUse() {
    await check('everything works by the keyboard', async (openPage) => {
        const page = await openPage();
        same(await page.evaluate(() => document.querySelector('a, button, input, textarea, select, [tabindex]').className), 'skip', 'the first stop');
        await page.focus('.skip');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.activeElement.id === 'message');
        await neverEnding(page);
        await page.keyboard.type('one');
        await page.keyboard.press('Shift+Enter');
        await page.keyboard.type('two');
        same(await page.inputValue('#message'), 'one\ntwo', 'a new line');
        await page.keyboard.press('Enter');
        await streams(page);
        await page.waitForSelector('.assistant');
        await page.keyboard.press('Escape');
        await idle(page);
        same(await page.locator('.user .bubble').evaluate((bubble) => bubble.textContent), 'one\ntwo', 'it was sent');
        await page.keyboard.press('Control+/');
        expect((await page.locator('dialog[open] .keys').innerText()).includes('New line'), 'the list of keys');
        await page.keyboard.press('Escape');
        await soon(() => focused(page), 'message', 'the focus comes back');
        await page.keyboard.press('Control+k');
        await soon(() => focused(page), 'search', 'search');
        await page.keyboard.press('Control+b');
        await soon(() => page.locator('#sidebar').isVisible(), false, 'the sidebar is away');
        await page.keyboard.press('Control+b');
        await page.locator('.row a').focus();
        await page.keyboard.press('Tab');
        await page.keyboard.press('Enter');
        await soon(() => focused(page), 'Rename', 'the menu');
        await page.keyboard.press('ArrowUp');
        await soon(() => focused(page), 'Delete', 'around');
        await page.keyboard.press('Escape');
        await soon(() => focused(page), 'Options of “one two”', 'back at its button');
        await page.keyboard.press('Shift+Control+o');
        await page.locator('.message').first().waitFor({ state: 'detached' });
        await soon(async () => [await focused(page), await page.locator('.message').count()], ['message', 0], 'a new chat');
    });

    await check('Enter that ends a composition sends nothing', async (openPage) => {
        const page = await openPage();
        const session = await page.context().newCDPSession(page);
        await neverEnding(page);
        await page.focus('#message');
        await session.send('Input.imeSetComposition', { text: '你好', selectionStart: 2, selectionEnd: 2 });
        await page.evaluate(() => {
            const event = (more) => new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...more });
            const area = document.querySelector('#message');
            area.dispatchEvent(event({ isComposing: true }));
            area.dispatchEvent(event({ keyCode: 229 })); // as Safari ends one
        });
        await session.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Process', code: 'Enter', windowsVirtualKeyCode: 229 });
        await session.send('Input.insertText', { text: '你好' });
        same([await page.inputValue('#message'), await page.locator('.message').count()], ['你好', 0], 'nothing was sent');
        await page.keyboard.press('Enter');
        await page.waitForSelector('.user');
        same(await texts(page, '.user .bubble'), ['你好'], 'it is sent by the next one');
        await page.keyboard.press('Escape');
        await idle(page);
    });

    await check('Chinese and English, by the browser and by choice', async (openPage) => {
        const page = await openPage({ locale: 'zh-CN' });
        await page.waitForFunction(() => document.querySelector('#message').placeholder.includes('tiny'));
        same([await page.innerText('#new-chat'), await page.innerText('#think'), await page.evaluate(() => document.documentElement.lang)], ['开启新对话', '深度思考', 'zh-CN'], 'Chinese');
        await openImported(page, '长江', '长江有多长？', '约 **6300** 公里。');
        await shot(page, 'chinese');
        await page.click('#settings');
        await page.locator('dialog select').first().selectOption('en');
        same([await page.innerText('#new-chat'), await page.evaluate(() => document.documentElement.lang)], ['New chat', 'en'], 'English');
        const names = await page.evaluate(async () => {
            const base = document.querySelector('script[type=module]').src;
            const [{ english }, { chinese }] = await Promise.all([import(new URL('text_en.js', base).href), import(new URL('text_zh.js', base).href)]);
            const holes = (text) => (text.match(/\{\w+\}/g) || []).sort().join();
            const page = [...document.querySelectorAll('*')].flatMap((element) => element.getAttributeNames().filter((name) => name.startsWith('data-t')).map((name) => element.getAttribute(name)));
            return {
                missing: [...Object.keys(english).filter((name) => !chinese[name]), ...Object.keys(chinese).filter((name) => !english[name])],
                holes: Object.keys(english).filter((name) => holes(english[name]) !== holes(chinese[name] || '')),
                unknown: page.filter((name) => name !== '1' && !english[name] && /^[a-z]+[A-Za-z]*$/.test(name)),
            };
        });
        same(names, { missing: [], holes: [], unknown: [] }, 'the lists of words');
    });

    await check('axe finds nothing: chat, dark, settings, keys, editing, phone', async (openPage) => {
        const page = await openPage();
        const found = {};
        await openImported(page, 'Rich', 'Show me everything', rich, 'Thanks', 'You are welcome.');
        await page.waitForSelector('.katex-display');
        await page.locator('.toast button[aria-label=Close]').click();
        found.chat = await violations(page);
        await page.emulateMedia({ colorScheme: 'dark' });
        found.dark = await violations(page);
        await page.click('#settings');
        found.settings = await violations(page);
        await shot(page, 'settings-dark');
        await page.emulateMedia({ colorScheme: 'light' });
        await shot(page, 'settings');
        await page.keyboard.press('Escape');
        await page.click('#help');
        found.keys = await violations(page);
        await shot(page, 'keys');
        await page.keyboard.press('Escape');
        await page.locator('.assistant').last().getByRole('button', { name: 'Edit the answer' }).click();
        found.editing = await violations(page);
        await page.keyboard.press('Escape');
        await page.setViewportSize({ width: 390, height: 780 });
        await page.click('#open-sidebar');
        await page.click('#new-chat');
        await page.click('#open-sidebar');
        found.phone = await violations(page);
        same(Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0)), {}, 'violations');
    });

    await check('on a phone nothing is wider than the window', async (openPage) => {
        const page = await openPage({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
        await shot(page, 'phone-empty');
        same(await page.locator('#sidebar').isVisible(), false, 'the sidebar is away at first');
        await page.tap('#open-sidebar');
        await page.tap('#settings');
        await page.setInputFiles('dialog input[type=file]', { name: 'c.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify((await import('./browser.mjs')).chatOf('Rich', 'Show me everything', rich))) });
        await page.waitForSelector('.row a');
        await shot(page, 'phone-sidebar');
        await page.tap('.row a');
        await page.waitForSelector('.katex-display');
        await soon(() => page.locator('#sidebar').isVisible(), false, 'the sidebar goes when a chat is chosen');
        same(await page.evaluate(() => [document.documentElement.scrollWidth <= window.innerWidth, document.querySelector('#scroll').scrollWidth <= document.querySelector('#scroll').clientWidth]), [true, true], 'widths');
        const small = await page.evaluate(() => [...document.querySelectorAll('button:not([hidden])')].filter((button) => button.checkVisibility() && button.getBoundingClientRect().height < 24).map((button) => button.getAttribute('aria-label') || button.innerText));
        same(small, [], 'buttons that are too small for a finger');
        await shot(page, 'phone');
    });

    await check('files become the text of the prompt', async (openPage) => {
        const page = await openPage();
        const offers = await (await fetch(`${open}/capabilities`)).json();
        let body = null;
        page.on('request', (request) => (body = request.url().endsWith('/chat/completions') ? request.postDataJSON() : body));
        const files = [{ name: 'notes.md', mimeType: 'text/markdown', buffer: Buffer.from('# Notes\nthe sea is deep') }];
        if (offers.documents.pdf) files.push({ name: 'paper.pdf', mimeType: 'application/pdf', buffer: pdfOf('Pressure at depth') });
        await page.setInputFiles('#file-picker', files);
        await page.waitForFunction((count) => document.querySelectorAll('#files .file').length === count, files.length);
        await shot(page, 'files');
        await page.setInputFiles('#file-picker', [{ name: 'program.bin', mimeType: '', buffer: Buffer.from([1, 0, 2, 0, 0, 3]) }]);
        await page.waitForFunction(() => document.querySelector('.toast')?.innerText.includes('program.bin is neither text nor PDF'));
        await neverEnding(page);
        await say(page, 'Sum it up');
        await streams(page);
        await page.keyboard.press('Escape');
        const { content } = body.messages[0];
        const [first] = content.split('[file name]: paper.pdf');
        same(first.replace(/Sum it up$/, ''), '[file name]: notes.md\n[file content begin]\n# Notes\nthe sea is deep\n[file content end]\n', 'the first file');
        expect(content.endsWith('[file content end]\nSum it up'), 'the question comes last');
        if (offers.documents.pdf) expect(/\[file name\]: paper\.pdf\n\[file content begin\]\nPressure at depth/.test(content), 'the PDF');
        same((await texts(page, '.message .file-name')).length, files.length, 'the message shows them');
        await idle(page);
    });

    await check('a PDF that is none, is damaged or is too large is refused in words', async () => {
        const post = async (bytes, path = '/documents/text') => {
            const response = await fetch(open + path, { method: 'POST', body: bytes });
            return [response.status, (await response.json()).error?.message || 'text'];
        };
        const offers = await (await fetch(`${open}/capabilities`)).json();
        same((await post(Buffer.from('hello')))[0], 400, 'no PDF');
        if (!offers.documents.pdf) return;
        const good = pdfOf('x');
        same(await post(good, '/v1/documents/text'), [200, 'text'], 'a good one');
        const damaged = await post(Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.from('garbage '.repeat(2000))]));
        expect(damaged[0] === 400 && /damaged/.test(damaged[1]), `damaged: ${damaged}`);
        const large = await post(Buffer.concat([good, Buffer.alloc(33 << 20)]));
        same(large[0], 413, 'too large');
        const many = await Promise.all(Array.from({ length: 8 }, () => post(good)));
        expect(many.every(([status]) => status === 200 || status === 503), `many at once: ${many}`);
        const controller = new AbortController();
        const left = fetch(`${open}/documents/text`, { method: 'POST', body: good, signal: controller.signal }).catch(() => null);
        controller.abort();
        await left;
        for (let i = 0; i < 600 && (await post(good))[0] !== 200; i++) await new Promise((resolve) => setTimeout(resolve, 50));
        same(await post(good), [200, 'text'], 'and it goes on');
    });

    await check('pages are sent with their policy, and kept by their tags', async () => {
        const get = (path, headers = {}, method = 'GET') => fetch(open + path, { headers, method });
        const page = await get('/');
        const html = await page.text();
        const script = /src="(\/web\/\w+\/js\/main\.js)"/.exec(html)[1];
        const policy = page.headers.get('content-security-policy');
        expect(/default-src 'none'/.test(policy) && !/unsafe|\*|https?:/.test(policy), policy);
        same([page.headers.get('x-content-type-options'), page.headers.get('referrer-policy'), page.headers.get('cache-control')], ['nosniff', 'no-referrer', 'no-cache'], 'headers');
        expect(!/<script(?![^>]*src)|style=| on\w+=/.test(html), 'no inline code');
        const main = await get(script);
        same([main.status, main.headers.get('content-type')], [200, 'text/javascript; charset=utf-8'], 'a script');
        expect(/immutable/.test(main.headers.get('cache-control')), 'it may be kept');
        const again = await get('/', { 'If-None-Match': page.headers.get('etag') });
        same([again.status, await again.text()], [304, ''], 'unchanged');
        const head = await get('/', {}, 'HEAD');
        same([head.status, await head.text(), head.headers.get('content-length')], [200, '', String(Buffer.byteLength(html))], 'HEAD');
        const wrong = ['/web/', '/web/x', '/web/x/nothing.js', '/web/x/../index.html', '/web/x/js', '/nothing', '/index.html/', '/%2e%2e/x'];
        same(await Promise.all(wrong.map(async (path) => (await get(path)).status)), wrong.map(() => 404), 'what is not there');
        same((await get('/', {}, 'POST')).status, 405, 'pages are only read');
    });

    await check('a server with keys asks for one, once', async (openPage) => {
        const page = await openPage({}, locked);
        await page.waitForSelector('dialog[open]');
        expect((await page.innerText('dialog')).includes('asks for an API key'), 'it says why');
        await page.fill('dialog input', 'sk-wrong-0000000000');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.querySelector('dialog')?.innerText.includes('does not accept'));
        await page.fill('dialog input', key);
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => !document.querySelector('dialog') && document.querySelector('#model').options.length === 3);
        await page.reload();
        await page.waitForFunction(() => document.querySelector('#model').options.length === 3);
        same(await page.locator('dialog').count(), 0, 'it is remembered');
        await neverEnding(page);
        await say(page, 'Hello');
        await streams(page);
        await page.keyboard.press('Escape');
        await idle(page);
        const { messages } = await stored(page);
        expect(!JSON.stringify(messages).includes(key), 'the key is in no message');
    });

    await check('settings of a chat are sent, and prices become costs', async (openPage) => {
        const page = await openPage();
        let body = null;
        page.on('request', (request) => (body = request.url().endsWith('/chat/completions') ? request.postDataJSON() : body));
        await page.click('#settings');
        await page.getByLabel('System prompt').fill('Speak as a king.');
        await page.getByLabel('Temperature').fill('0.3');
        await page.getByLabel('Longest answer').fill('9');
        await page.getByLabel('Input', { exact: true }).fill('270000');
        await page.getByLabel('Output').fill('1100000');
        await page.getByLabel('Output').blur();
        await page.keyboard.press('Escape');
        await page.click('#think');
        await say(page, 'Who goes there?');
        await page.waitForSelector('.usage');
        same([body.messages[0], body.temperature, body.max_tokens, body.thinking], [{ role: 'system', content: 'Speak as a king.' }, 0.3, 9, { type: 'disabled' }], 'the request');
        const { usage } = (await stored(page)).messages.find((message) => message.role === 'assistant');
        const cost = (usage.prompt_cache_miss_tokens * 0.27 + usage.completion_tokens * 1.1).toFixed(2);
        expect((await page.innerText('.usage')).includes(`$${cost}`), `${await page.innerText('.usage')} has $${cost}`);
        expect(/Context: about \d+ of 4,096 tokens/.test(await page.getAttribute('#gauge', 'aria-label')), 'the gauge');
        await page.click('#new-chat');
        await page.click('#settings');
        same(await page.getByLabel('System prompt').inputValue(), '', 'they belong to that chat alone');
    });

    await check('a search is made, its pages are cited, and numbers of none are dropped', async (openPage) => {
        const world = await openWorld();
        const server = spawn(process.env.HADAL, ['serve', '-m', process.env.MODEL, '--template', 'deepseek-v3.1', '--port', '0', '--no-log', '--search', world.urls.engine, '--web-allow', `127.0.0.1:${world.ports.site}`], { stdio: ['ignore', 'ignore', 'pipe'] });
        try {
            const url = await new Promise((resolve) => {
                let said = '';
                server.stderr.on('data', (data) => {
                    said += data;
                    const found = /serving (http:[^,]*),/.exec(said);
                    if (found) resolve(found[1]);
                });
            });
            const page = await openPage({}, url);
            let body = null;
            page.on('request', (request) => (body = request.url().endsWith('/chat/completions') ? request.postDataJSON() : body));
            await page.click('#search-web:not([aria-disabled=true])');
            await say(page, 'How deep is the sea?');
            await page.waitForFunction(() => /Read 4 web pages/.test(document.querySelector('.sources')?.innerText));
            await page.waitForSelector('.assistant .usage, #send[aria-label=Stop]');
            await page.keyboard.press('Escape');
            await idle(page);
            const asked = body.messages.at(-1).content;
            expect(asked.startsWith("# The following contents are the search results related to the user's message:\n[webpage 1 begin]The deep sea\n# Hadal zone"), asked.slice(0, 200));
            expect(asked.endsWith("# The user's message is:\nHow deep is the sea?") && /Today is \w+ \d+, \d{4}\./.test(asked), 'the question comes last');
            same([world.queries, world.secrets], [['How deep is the sea?'], 0], 'what was searched for');
            const data = (await import('./browser.mjs')).chatOf('Cited', 'How deep?', 'It begins at 6,000 m[citation:1] and ends[citation:2][citation:7]. See [citation:0].');
            data.messages[1].sources = [{ title: 'The deep sea', url: 'https://example.org/deep', summary: 'x' }, { title: 'Bad', url: 'javascript:alert(1)' }];
            await importChats(page, data);
            await page.click('.row a:has-text("Cited")');
            await page.waitForSelector('.citation');
            same(await page.locator('.citation').evaluateAll((links) => links.map((link) => [link.innerText, link.getAttribute('href')])), [['1', 'https://example.org/deep']], 'citations');
            expect((await texts(page, '.assistant .markdown'))[0].includes('and ends. See .'), 'numbers of no page');
            await page.click('.sources summary');
            same(await page.locator('.source-list a').count(), 1, 'links to pages alone');
            await shot(page, 'search');
            same(await violations(page), [], 'axe');
        } finally {
            server.kill('SIGKILL');
            world.close();
        }
    });

    await check('search says why it is not offered', async (openPage) => {
        const page = await openPage();
        await page.waitForFunction(() => document.querySelector('#search-web').getAttribute('aria-disabled') === 'true');
        await page.click('#search-web', { force: true });
        await page.waitForFunction(() => document.querySelector('.toast')?.innerText.includes('not set up on this server'));
        same(await page.getAttribute('#search-web', 'aria-pressed'), 'false', 'it stays off');
    });
}
