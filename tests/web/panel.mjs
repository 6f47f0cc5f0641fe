/* panel.mjs - the console of an account and the operator's page, over a server that has accounts. PANEL is its address,
 * ADMIN, ALICE and BOB are keys; alice has two months of charges. */
import { readFile } from 'node:fs/promises';
import { begin, check, end, expect, same, shot, texts, until } from './browser.mjs';
import { violations } from './axe.mjs';

const url = process.env.PANEL;
const keys = { admin: process.env.ADMIN, alice: process.env.ALICE, bob: process.env.BOB };
const wide = { viewport: { width: 1280, height: 860 } };
const phone = { viewport: { width: 390, height: 800 } };

const open = (openOne, path, options = {}) => openOne(options, url, path);

async function signIn(page, key) {
    await page.fill('input[type=password]', key);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#sections:not([hidden])');
    await rest(page);
}

const rest = (page) => page.waitForSelector('#content[aria-busy="false"]');

async function go(page, section) {
    await page.evaluate((name) => (location.hash = `#/${name}`), section);
    await page.waitForSelector(`body[data-section="${section}"]`);
    await rest(page);
}

const api = (page, path, body, key) => page.evaluate(async ([where, what, who]) => (await fetch(where, { method: 'POST', headers: { Authorization: `Bearer ${who}` }, body: JSON.stringify(what) })).json(), [path, body, key]);
const saved = async (page, press) => {
    const [file] = await Promise.all([page.waitForEvent('download'), press()]);
    return readFile(await file.path(), 'utf8');
};

async function checkConsole() {
    await check('the console takes a key, keeps it out of addresses, and forgets it', async (openOne) => {
        const page = await open(openOne, '/console');
        const asked = [];
        page.on('request', (request) => asked.push(request.url()));
        await page.fill('input[type=password]', 'sk-000000000000');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.querySelector('[role=alert]').innerText.includes('does not accept'));
        await signIn(page, keys.alice);
        same([await page.innerText('#who'), await page.isVisible('#other')], ['alice', false], 'whose it is');
        await page.reload();
        await page.waitForSelector('body[data-ready]');
        await rest(page);
        same(await page.innerText('#who'), 'alice', 'a reload stays signed in');
        same(await page.evaluate(() => JSON.stringify(localStorage)).then((text) => text.includes('sk-')), false, 'the lasting storage has no key');
        await page.click('#sign-out');
        await page.waitForSelector('input[type=password]');
        same(await page.evaluate(() => sessionStorage.length), 0, 'the tab has forgotten it');
        expect(!asked.some((address) => address.includes('sk-')), 'no address has a key');
        await page.reload();
        await page.waitForSelector('input[type=password]');
    });

    await check('the balance is split, and a code tops it up once', async (openOne) => {
        const page = await open(openOne, '/console');
        await signIn(page, keys.alice);
        const tiles = async () => (await texts(page, '.tile-value')).map((text) => Number(text.replace(/[^0-9.]/g, '')));
        const [total, topped, granted] = await tiles();
        expect(Math.abs(total - topped - granted) < 0.001 && granted === 5, `${total} is ${topped} and ${granted}`);
        const code = (await api(page, '/admin/code/make', { amount: '2.5' }, keys.admin)).data[0].code;
        await page.getByLabel('Code').fill(code);
        await page.keyboard.press('Enter');
        await page.waitForFunction((before) => Math.abs(Number(document.querySelectorAll('.tile-value')[1]?.innerText.replace(/[^0-9.]/g, '')) - before - 2.5) < 0.001, topped);
        await rest(page);
        await page.getByLabel('Code').fill(code);
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => [...document.querySelectorAll('.toast')].some((toast) => toast.innerText.includes('not valid for this account')));
    });

    await check('a key is made, shown once, works, is changed and ended', async (openOne) => {
        const page = await open(openOne, '/console');
        await signIn(page, keys.bob);
        await go(page, 'keys');
        await page.getByRole('button', { name: 'New key' }).click();
        await page.locator('dialog').getByLabel('Name').fill('robot');
        await page.locator('dialog').getByLabel('May spend').fill('1.5');
        await page.locator('dialog').getByLabel('in', { exact: true }).selectOption('day');
        await page.getByRole('button', { name: 'Create' }).click();
        await page.waitForSelector('.secret');
        const key = await page.inputValue('.secret');
        expect(/^sk-[0-9a-f]{48}$/.test(key), 'a key');
        same((await api(page, '/account/balance', {}, key)).account, 'bob', 'it works');
        await shot(page, 'console-new-key');
        await page.keyboard.press('Escape');
        await page.locator('dialog').first().waitFor({ state: 'detached' });
        expect(!(await page.content()).includes(key), 'it is shown once');
        const row = page.locator('tr', { hasText: 'robot' });
        expect((await row.innerText()).includes('$1.50 a day'), await row.innerText());
        await row.getByRole('button', { name: 'Edit' }).click();
        await page.locator('dialog').getByLabel('May spend').fill('');
        await page.locator('dialog').getByLabel('Name').fill('machine');
        await page.getByRole('button', { name: 'Save', exact: true }).click();
        const changed = page.locator('tr', { hasText: 'machine' });
        await changed.waitFor();
        expect(!(await changed.innerText()).includes('$1.50'), 'without a cap');
        await changed.getByRole('button', { name: 'Revoke' }).click();
        await page.locator('dialog').getByRole('button', { name: 'Revoke' }).click();
        await page.locator('tr', { hasText: 'machine' }).getByText('revoked').waitFor();
        expect((await api(page, '/account/balance', {}, key)).error.message.includes('was revoked'), 'it is ended');
    });

    await check('usage is drawn, narrowed and saved, and is the own one alone', async (openOne) => {
        const page = await open(openOne, '/console', wide);
        await signIn(page, keys.alice);
        await go(page, 'usage');
        await page.waitForSelector('.chart rect');
        const sum = await api(page, '/account/usage', { by: 'model' }, keys.alice);
        expect(sum.data.length === 2 && sum.data.every((row) => row.reasoning > 0 || row.model === 'deepseek-chat'), 'two models');
        await page.getByLabel('Model', { exact: true }).selectOption('deepseek-reasoner');
        await page.waitForFunction(() => document.querySelectorAll('[aria-label="By model"] tbody tr').length === 1);
        same(await page.locator('.as-table').first().locator('tbody tr').count() > 3, true, 'the picture is a table too');
        const csv = await saved(page, () => page.getByRole('button', { name: 'Save as CSV' }).click());
        expect(csv.startsWith('day,account,key,name,model,currency,requests,hit') && csv.split('\r\n').length > 20 && !csv.includes('bob'), csv.slice(0, 200));
        await page.click('#sign-out');
        await signIn(page, keys.bob);
        await go(page, 'usage');
        same(await page.locator('.chart rect').count(), 0, "bob's has nothing of alice's");
        const whole = await page.evaluate(() => document.body.innerText);
        expect(!whole.includes('alice'), 'nor her name');
    });

    await check('prices show the window of the moment, and snippets the address', async (openOne) => {
        const page = await open(openOne, '/console', wide);
        await signIn(page, keys.alice);
        await go(page, 'pricelist');
        const cells = await texts(page, '[aria-label="Tokens"] tbody tr');
        expect(cells.some((text) => text.includes('16:30-00:30 UTC') && text.includes('$0.55')) && cells.some((text) => text.includes('otherwise') && text.includes('$1.10')), cells.join('|'));
        same(await page.locator('[aria-label="Tokens"] .badge.on').count(), 3, 'one time of each model is now');
        await go(page, 'quickstart');
        const snippets = await texts(page, '.code-box pre');
        expect(snippets.length === 3 && snippets.every((text) => text.includes(`${url}/v1`) && text.includes('deepseek-chat') && !text.includes(keys.alice)), snippets[0]);
    });
}

async function checkChat() {
    await check('the chat page says what an answer cost, as it is charged, and leads to the console', async (openOne) => {
        const page = await open(openOne, '/', wide);
        await page.route('**/chat/completions', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), max_tokens: 60 }) }));
        await page.locator('dialog').getByLabel('API key').fill(keys.bob);
        await page.keyboard.press('Enter');
        await page.locator('dialog').waitFor({ state: 'detached' });
        await page.locator('#account').waitFor();
        await page.fill('#message', 'What does this cost?');
        await page.press('#message', 'Enter');
        await page.waitForFunction(() => document.querySelector('.usage')?.innerText.includes('$'));
        const shown = Number(/\$([0-9.]+)/.exec(await page.innerText('.usage'))[1]);
        let charges = [];
        await until(async () => (charges = (await api(page, '/account/charges', {}, keys.bob)).data).length === 1, 'the charge');
        expect(Math.abs(Number(charges[0].amount) - shown) < 0.000001, `${shown} is shown, ${charges[0].amount} charged`);
        await shot(page, 'chat-cost');
        await page.click('#account');
        await page.waitForSelector('body[data-section="overview"]');
        same(await page.innerText('#who'), 'bob', 'signed in');
    });
}

async function checkAdmin() {
    await check('the operator page is for admins', async (openOne) => {
        const page = await open(openOne, '/admin');
        await page.fill('input[type=password]', keys.alice);
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.querySelector('[role=alert]').innerText.includes('key of an admin'));
        await signIn(page, keys.admin);
        same(await page.innerText('#who'), 'admin', 'whose it is');
        await page.click('#other');
        await page.waitForSelector('body[data-section="overview"]');
        same([new URL(page.url()).pathname, await page.innerText('#who')], ['/console', 'admin'], 'the console knows the key of the tab');
    });

    await check('the load of the moment is shown while an answer runs', async (openOne) => {
        const page = await open(openOne, '/admin', wide);
        await signIn(page, keys.admin);
        const stop = await page.evaluateHandle((key) => {
            const controller = new AbortController();
            const body = JSON.stringify({ model: 'deepseek-chat', stream: true, ignore_eos: true, max_tokens: 4000, messages: [{ role: 'user', content: 'Go on' }] });
            const ask = () => fetch('/v1/chat/completions', { method: 'POST', signal: controller.signal, headers: { Authorization: `Bearer ${key}` }, body });
            (async () => {
                while (!controller.signal.aborted) await (await ask()).text(); // one after the other, however fast
            })().catch(() => {});
            return controller;
        }, keys.alice);
        await page.waitForFunction(() => document.querySelector('.tile-value').innerText.startsWith('1 /'));
        await page.waitForFunction(() => Number(document.querySelectorAll('.tile-value')[2].innerText.replace(/[^0-9.]/g, '')) > 0);
        await page.waitForSelector('.chart .line');
        await shot(page, 'admin-load');
        await stop.evaluate((controller) => controller.abort());
        await page.waitForFunction(() => document.querySelector('.tile-value').innerText.startsWith('0 /'));
    });

    await check('accounts are made, paid for and suspended', async (openOne) => {
        const page = await open(openOne, '/admin', wide);
        await signIn(page, keys.admin);
        await go(page, 'accounts');
        await page.getByRole('button', { name: 'New account' }).click();
        await page.locator('dialog').getByLabel('Name').fill('dora');
        await page.locator('dialog').getByLabel('Currency').fill('CNY');
        await page.locator('dialog').getByRole('button', { name: 'Save' }).click();
        const row = page.locator('tr', { hasText: 'dora' });
        await row.waitFor();
        const choose = async (name) => {
            await row.getByRole('button', { name: 'What to do with dora' }).click();
            await page.getByRole('menuitem', { name }).click();
        };
        await choose('Top up');
        await page.locator('dialog').getByLabel('Amount (CNY)').fill('12.5');
        await page.locator('dialog').getByRole('button', { name: 'Save' }).click();
        await row.getByText('12.50').waitFor();
        await choose('API keys');
        await page.locator('dialog').getByRole('button', { name: 'New key' }).click();
        await page.locator('dialog').last().getByLabel('Name').fill('first');
        await page.getByRole('button', { name: 'Create' }).click();
        await page.waitForSelector('.secret');
        const key = await page.inputValue('.secret');
        same((await api(page, '/account/balance', {}, key)).topped_up_balance, '12.50', 'its key works');
        await page.keyboard.press('Escape');
        await page.keyboard.press('Escape');
        await page.locator('dialog').first().waitFor({ state: 'detached' });
        await choose('Suspend');
        await row.getByText('suspended').waitFor();
        expect((await api(page, '/account/balance', {}, key)).error.message.includes('suspended'), 'it is refused');
        await page.getByLabel('Filter accounts').fill('ali');
        same(await page.locator('[aria-label="Accounts"] tbody tr').count(), 1, 'filtered');
    });

    await check('the ledger is filtered and turned page by page', async (openOne) => {
        const page = await open(openOne, '/admin', wide);
        await signIn(page, keys.admin);
        await go(page, 'ledger');
        const numbers = async () => (await texts(page, '[aria-label="Ledger"] tbody tr td:first-child')).filter(Boolean).map(Number);
        await page.getByLabel('Account').fill('alice');
        await page.getByLabel('Kind').selectOption('settle');
        await page.getByRole('button', { name: 'Filter' }).click();
        await page.waitForFunction(() => [...document.querySelectorAll('[aria-label="Ledger"] tbody tr:not(.more) td:nth-child(3)')].every((cell) => cell.innerText === 'Charge'));
        const first = await numbers();
        same([first.length, first.every((number, i) => i === 0 || number < first[i - 1])], [50, true], 'fifty, newest first');
        await page.getByRole('button', { name: 'Older' }).click();
        await page.waitForFunction(() => document.querySelector('.pager').innerText.includes('Page 2'));
        const second = await numbers();
        expect(second[0] < first.at(-1), 'they go on');
        await page.getByRole('button', { name: 'Newer' }).click();
        await page.waitForFunction(() => document.querySelector('.pager').innerText.includes('Page 1'));
        same(await numbers(), first, 'and back');
        await page.getByRole('button', { name: /^past/ }).first().click();
        await page.getByText('rounded once to a millionth').waitFor();
    });

    await check('the profit of a day is reckoned from what the machine costs', async (openOne) => {
        const page = await open(openOne, '/admin', wide);
        await signIn(page, keys.admin);
        await go(page, 'profit');
        await page.getByLabel('Rent, an hour').fill('0.01');
        await page.getByLabel('Electricity, a kWh').fill('0.3');
        await page.getByLabel('Watts, computing').fill('10');
        await page.getByRole('button', { name: 'Save', exact: true }).click();
        await page.waitForFunction(() => !['$0.00', undefined].includes(document.querySelectorAll('.tile-value')[1]?.innerText));
        const [revenue, cost, profit, margin] = (await texts(page, '.tile-value')).map((text) => Number(text.replace(/[^0-9.-]/g, '')));
        expect(revenue > 0 && cost > 0 && Math.abs(revenue - cost - profit) < 0.001 && Math.abs(margin - (100 * profit) / cost) < 0.2, `${revenue} - ${cost} = ${profit}, ${margin} %`);
        const csv = await saved(page, () => page.getByRole('button', { name: 'Save as CSV' }).click());
        expect(csv.startsWith('day,currency,hours,busy_hours,requests'), csv.slice(0, 60));
    });

    await check('a section that was left before it came does not come back', async (openOne) => {
        const page = await open(openOne, '/admin', wide);
        await signIn(page, keys.admin);
        const [late, release] = (() => {
            let free;
            return [new Promise((resolve) => (free = resolve)), () => free()];
        })();
        await page.route('**/admin/prices/now', async (route) => {
            await late;
            await route.continue();
        });
        const asked = page.waitForRequest('**/admin/prices/now');
        await page.evaluate(() => (location.hash = '#/pricelist'));
        await asked;
        await go(page, 'codes');
        const answer = page.waitForResponse('**/admin/prices/now');
        release();
        await (await answer).finished();
        await page.evaluate(async () => (await fetch('/health')).text()); // what came has been shown by then
        same(await page.evaluate(() => [document.body.dataset.section, document.querySelector('#content h1').innerText]), ['codes', 'Codes, switches'], 'the page is where it was led');
    });

    await check('usage by class, prices put in force, codes made, and the audit', async (openOne) => {
        const page = await open(openOne, '/admin', wide);
        await signIn(page, keys.admin);
        await go(page, 'usage');
        await page.getByLabel('Sum up by').selectOption('class');
        await page.waitForFunction(() => [...document.querySelectorAll('[aria-label="By class"] tbody tr')].some((row) => row.innerText.startsWith('Reasoning')));
        await go(page, 'pricelist');
        await page.getByRole('button', { name: 'Reckon' }).click();
        await page.getByText('rounded once to a millionth').waitFor();
        await page.locator('form', { hasText: 'Put prices in force' }).getByLabel('Name').fill('/etc/hostname');
        await page.getByRole('button', { name: 'Put in force' }).click();
        await page.waitForFunction(() => [...document.querySelectorAll('.toast')].some((toast) => toast.innerText.includes('name of a preset')));
        await page.locator('form', { hasText: 'Put prices in force' }).getByLabel('Name').fill('deepseek-2025-02');
        await page.getByRole('button', { name: 'Put in force' }).click();
        await page.waitForFunction(() => [...document.querySelectorAll('.toast')].some((toast) => toast.innerText === 'Saved.'));
        await go(page, 'codes');
        await page.getByLabel('Amount').fill('5');
        await page.getByLabel('How many').fill('3');
        await page.getByRole('button', { name: 'Create' }).click();
        await page.waitForSelector('dialog .json-area');
        same((await page.inputValue('dialog .json-area')).trim().split('\n').length, 3, 'three codes');
        await page.keyboard.press('Escape');
        await go(page, 'audit');
        await page.getByRole('button', { name: 'Run the audit' }).click();
        await page.getByText('clean', { exact: true }).waitFor();
    });
}

/* What every section of both pages has to be: without violations, in both languages and themes, on a phone too. */
const tours = [
    { path: '/console', who: 'alice', sections: ['overview', 'usage', 'keys', 'pricelist', 'quickstart'] },
    { path: '/admin', who: 'admin', sections: ['load', 'accounts', 'usage', 'profit', 'ledger', 'pricelist', 'codes', 'audit'] },
];

async function tour(openOne, { path, who, sections }, name, options) {
    const page = await open(openOne, path, options);
    same(await violations(page), [], 'axe: signing in');
    await signIn(page, keys[who]);
    for (const section of sections) {
        await go(page, section);
        same(await violations(page), [], `axe: ${section}`);
        same(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${section} is as wide as the screen`);
        await shot(page, `${path.slice(1)}-${name}-${section}`);
    }
    return page;
}

async function checkForm() {
    for (const one of tours) {
        await check(`${one.path} in English by day`, (openOne) => tour(openOne, one, 'light', wide));
        await check(`${one.path} in Chinese by night`, async (openOne) => {
            const page = await tour(openOne, one, 'dark-zh', { ...wide, locale: 'zh-CN', colorScheme: 'dark' });
            same(await page.evaluate(() => document.documentElement.lang), 'zh-CN', 'the language');
        });
        await check(`${one.path} on a phone`, (openOne) => tour(openOne, one, 'phone', { ...phone, hasTouch: true }));
    }

    await check('the pages of accounts by the keyboard, in a language of choice', async (openOne) => {
        const page = await open(openOne, '/console', wide);
        await signIn(page, keys.alice);
        await page.focus('.skip');
        await page.keyboard.press('Enter');
        same(await page.evaluate(() => document.activeElement.id), 'content', 'the skip link');
        await page.locator('#sections a').nth(2).focus();
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.activeElement.innerText === 'API keys' && document.activeElement.tagName === 'H1');
        await rest(page);
        await page.getByRole('button', { name: 'New key' }).focus();
        await page.keyboard.press('Enter');
        await page.waitForSelector('dialog[open]');
        await page.keyboard.press('Escape');
        same(await page.evaluate(() => document.activeElement.innerText), 'New key', 'the focus comes back');
        await page.locator('#language').selectOption('zh');
        await page.waitForFunction(() => document.querySelector('.section h1')?.innerText === 'API 密钥');
        await page.locator('#theme').selectOption('dark');
        same(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'the theme');
        const names = await page.evaluate(async () => {
            const base = document.querySelector('script[type=module]').src;
            const [{ panelEnglish: english }, { panelChinese: chinese }] = await Promise.all([import(new URL('text_panel_en.js', base).href), import(new URL('text_panel_zh.js', base).href)]);
            const holes = (text) => (text.match(/\{\w+\}/g) || []).sort().join();
            return [Object.keys(english).filter((name) => !(name in chinese)), Object.keys(chinese).filter((name) => !(name in english)), Object.keys(english).filter((name) => holes(english[name]) !== holes(chinese[name]))];
        });
        same(names, [[], [], []], 'words in both languages');
    });

    await check('a server without accounts says so', async (openOne) => {
        const page = await openOne({}, undefined, '/console');
        await page.getByText('This server keeps no accounts').waitFor();
    });
}

await begin();
for (const part of [checkConsole, checkChat, checkAdmin, checkForm]) await part();
process.exitCode = (await end()) > 0 ? 1 : 0;
