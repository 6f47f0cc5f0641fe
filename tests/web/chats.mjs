/* chats.mjs - asking, stopping, going on, versions, several chats at once, a reload in the middle. */
import { check, expect, same, soon, say, streams, idle, texts, stored, shot, open, until, neverEnding } from './browser.mjs';

const answerOf = (page) => page.locator('.assistant').last();
const limit = (page, tokens) =>
    page.addInitScript((max) => {
        if (!localStorage.getItem('hadal')) localStorage.setItem('hadal', JSON.stringify({ sampling: { max_tokens: max, temperature: 0.7, seed: 3 } }));
    }, tokens);

/** A page whose chats have short answers. */
async function openShort(openPage, tokens) {
    const page = await openPage();
    await limit(page, tokens);
    await page.reload();
    await page.waitForSelector('body[data-ready]');
    return page;
}

async function continued(page) {
    await page.waitForFunction(() => document.querySelector('#send').getAttribute('aria-label') === 'Send');
}

export async function checkChats() {
    await check('an answer streams with its reasoning, tokens and speed', async (openPage) => {
        const page = await openShort(openPage, 60);
        await shot(page, 'empty');
        await say(page, 'ROMEO: But soft, what light through yonder window breaks?');
        await continued(page);
        const answer = answerOf(page);
        expect(/^Thought for .* s · \d+ tokens$/.test(await answer.locator('summary').innerText()), 'time and tokens of the reasoning');
        expect((await answer.locator('.markdown').innerText()).length > 0, 'the answer has text');
        expect(/tokens\/s · \d+ in · .*60 out/.test(await answer.locator('.usage').innerText()), `usage: ${await answer.locator('.usage').innerText()}`);
        expect(/reached its limit/.test(await answer.locator('.notes').innerText()), 'it says that it was cut');
        await page.waitForFunction(() => document.querySelector('#announcements').textContent.startsWith('The answer is complete.'));
        const { chats, messages } = await stored(page);
        same([chats.length, messages.length, messages.filter((message) => message.running).length], [1, 2, 0], 'what is stored');
        same(await page.evaluate(() => document.activeElement.id), 'message', 'the focus stays in the box');
        await shot(page, 'answer');
    });

    await check('it is stopped, continued behind its last word, and answered again', async (openPage) => {
        const page = await openPage();
        await neverEnding(page);
        const answer = async () => (await stored(page)).messages.find((message) => message.role === 'assistant');
        await page.click('#think');
        await say(page, 'Tell me a long story.');
        await until(async () => (await answer())?.content.length > 60, 'it has begun');
        await page.keyboard.press('Escape');
        await idle(page);
        await soon(() => texts(page, '.assistant .notes'), ['Stopped.'], 'it says that it was stopped');
        const before = await answer();
        let body = null;
        page.on('request', (request) => (body = request.url().endsWith('/chat/completions') ? request.postDataJSON() : body));
        await answerOf(page).getByRole('button', { name: 'Continue' }).click();
        await until(async () => (await answer()).content.length > before.content.length + 60, 'it goes on');
        same(body.messages.at(-1), { role: 'assistant', content: before.content, prefix: true }, 'what was asked for');
        await page.click('#send');
        await idle(page);
        const after = await answer();
        const shown = await page.innerText('.assistant .markdown');
        expect(after.content.startsWith(before.content) && after.content.length > before.content.length, 'it goes on');
        await answerOf(page).getByRole('button', { name: 'Answer again' }).click();
        await streams(page);
        await page.keyboard.press('Escape');
        await idle(page);
        await soon(() => texts(page, '.version'), ['2 / 2'], 'there are two versions');
        await page.getByRole('button', { name: 'Previous version' }).click();
        await page.waitForFunction((text) => document.querySelector('.assistant .markdown').innerText === text, shown);
        await soon(() => texts(page, '.version'), ['1 / 2'], 'the first one is shown');
    });

    await check('edits of question and answer are branches', async (openPage) => {
        const page = await openShort(openPage, 16);
        await say(page, 'First question');
        await continued(page);
        await page.fill('#message', '');
        await page.press('#message', 'ArrowUp');
        await page.fill('.edit-area', 'Second question');
        await page.press('.edit-area', 'Enter');
        await page.waitForFunction(() => document.querySelector('.user .bubble').innerText === 'Second question');
        await continued(page);
        await soon(() => texts(page, '.user .version'), ['2 / 2'], 'versions of the question');
        await answerOf(page).getByRole('button', { name: 'Edit the answer' }).click();
        await page.fill('.edit-area', 'What I **wanted** to hear');
        await page.press('.edit-area', 'Control+Enter');
        await page.waitForSelector('.assistant strong');
        await soon(() => texts(page, '.assistant .version'), ['2 / 2'], 'versions of the answer');
        await page.locator('.user').getByRole('button', { name: 'Previous version' }).click();
        await page.waitForFunction(() => document.querySelector('.user .bubble').innerText === 'First question');
        await soon(() => page.locator('.assistant strong').count(), 0, 'the other branch has its own answer');
        await page.reload();
        await page.waitForSelector('.user .bubble');
        await soon(() => texts(page, '.user .bubble'), ['First question'], 'the branch is remembered');
        await page.locator('.user').getByRole('button', { name: 'Next version' }).click();
        await page.waitForSelector('.assistant strong');
    });

    await check('two chats stream at once', async (openPage) => {
        const page = await openPage();
        await neverEnding(page);
        await say(page, 'The first long story');
        await streams(page);
        await page.click('#new-chat');
        await idle(page);
        await say(page, 'The second long story');
        await streams(page);
        await soon(() => page.locator('.row .busy').count(), 2, 'both are marked');
        const lengths = async () => (await stored(page)).messages.filter((message) => message.running).map((message) => (message.reasoning || '').length + message.content.length);
        await soon(async () => (await lengths()).length, 2, 'both are stored while they run');
        const early = await lengths();
        await until(async () => (await lengths()).every((length, i) => length > early[i]), 'both grow');
        await page.click('.row a:has-text("first long")');
        await streams(page);
        await until(async () => (await page.locator('.assistant').innerText()).length > 20, 'the first one is shown as it is');
        await page.keyboard.press('Escape');
        await idle(page);
        await page.click('.row a:has-text("second long")');
        await streams(page);
        await page.keyboard.press('Escape');
        await idle(page);
    });

    for (const [part, thinking] of [['answer', false], ['reasoning', true]]) {
        await check(`a reload in the middle of the ${part} loses nothing, and it goes on`, async (openPage) => {
            const page = await openPage();
            await neverEnding(page);
            if (!thinking) await page.click('#think');
            await say(page, 'Tell me of the king and of all that befell him.');
            await page.waitForFunction(() => document.querySelector('.assistant .markdown').innerText.length + (document.querySelector('.reasoning')?.innerText.length || 0) > 200);
            const running = async () => (await stored(page)).messages.find((message) => message.running);
            await until(async () => (thinking ? (await running())?.reasoning : (await running())?.content)?.length > 100, 'it is stored while it runs');
            const before = await running();
            let body = null;
            page.on('request', (request) => (body = request.url().endsWith('/chat/completions') ? request.postDataJSON() : body));
            await page.reload();
            await streams(page);
            const last = body.messages.at(-1);
            const begun = thinking ? last.reasoning_content : last.content;
            const had = thinking ? before.reasoning : before.content;
            same([last.role, last.prefix], ['assistant', true], 'it is asked for as a prefix');
            expect(begun.startsWith(had), 'nothing that was stored is lost');
            await page.waitForFunction(({ of, length }) => document.querySelector(of).textContent.length > length + 60, { of: thinking ? '.reasoning' : '.assistant .markdown', length: begun.length });
            await page.keyboard.press('Escape');
            await idle(page);
            const after = (await stored(page)).messages.find((message) => message.id === before.id);
            expect((thinking ? after.reasoning : after.content).startsWith(begun), 'it goes on behind its last word');
        });
    }

    await check('without a network it says so, and tries again', async (openPage) => {
        const page = await openShort(openPage, 12);
        await page.context().setOffline(true);
        await say(page, 'Is anybody there?');
        const alert = page.locator('.error[role=alert]');
        await alert.waitFor();
        expect(/cannot be reached/.test(await alert.innerText()), 'the error is explained');
        await shot(page, 'error');
        await page.context().setOffline(false);
        await alert.getByRole('button', { name: 'Try again' }).click();
        await page.waitForFunction(() => document.querySelector('.assistant .usage'));
        await soon(() => page.locator('.error').count(), 0, 'the error is gone');
        same(await page.locator('.user').count(), 1, 'the question was not repeated');
    });

    await check('the first load is small', async (openPage) => {
        const page = await openPage();
        let bytes = 0;
        page.on('response', (response) => (bytes += Number(response.headers()['content-length']) || 0));
        await page.goto('about:blank');
        await page.context().clearCookies();
        await page.goto(`${open}/?again`);
        await page.waitForSelector('body[data-ready]');
        await page.waitForTimeout(300);
        console.log(`the first load has ${bytes} bytes`);
        expect(bytes > 10000 && bytes <= 600 * 1024, `${bytes} bytes`);
    });
}
