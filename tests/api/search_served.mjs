/* search_served.mjs BINARY MODEL DIRECTORY - tools that the server runs: what the model is told, what answers say of it in each
 * interface, streamed and whole, and what comes back in the next round. */
import { spawn } from 'node:child_process';
import { check, end, failures, same } from './check.mjs';
import { openWorld } from './search_world.mjs';

const [binary, model, directory] = process.argv.slice(2);
const world = await openWorld();
let said = '';

function start(...options) {
    const server = spawn(binary, ['serve', '-m', model, '--template', 'deepseek-v3', '--port', '0', '--no-log', ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
    const url = new Promise((resolve) => {
        server.stderr.on('data', (data) => {
            said += data;
            const found = /serving (http:[^,]*),/.exec(said.slice(said.lastIndexOf('serving')));
            if (found) resolve(found[1]);
        });
        server.on('exit', () => resolve(''));
    });
    return { server, url };
}
const first = start('--search', world.urls.engine, '--web-allow', `127.0.0.1:${world.ports.site}`);
const url = await first.url;
if (!url) {
    console.log(`not ok - the server starts: ${said}`);
    process.exit(1);
}

async function post(path, body, base = url) {
    const response = await fetch(base + path, { method: 'POST', headers: { 'anthropic-version': '2023-06-01' }, body: JSON.stringify(body) });
    const text = await response.text();
    return { status: response.status, text, body: text.trimStart().startsWith('{') ? JSON.parse(text) : null };
}
const events = (text) => text.split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
const question = 'How deep is the sea?';
const chat = (more) => post('/v1/chat/completions', { model: 'deepseek-chat', max_tokens: 4, messages: [{ role: 'user', content: question }], ...more });
const titles = ['The deep sea', 'Secret', '<b>长江</b>', ''];

await check('a chat searches before it answers', async () => {
    const plain = await chat({});
    const { status, body } = await chat({ tools: [{ type: 'deepseek_web_search' }] });
    same([status, world.queries], [200, [question]], 'the search');
    same(body.choices[0].message.search_results.map((one) => [one.index, one.title]), titles.map((title, i) => [i + 1, title]), 'results');
    same(body.usage.server_tool_use, { web_search_requests: 1, web_fetch_requests: 0 }, 'calls');
    const found = body.usage.prompt_tokens - plain.body.usage.prompt_tokens;
    if (found < 500) throw new Error(`the prompt grew by ${found} tokens`);
    same(world.secrets, 0, 'the private machine');
    const again = await chat({ messages: [{ role: 'user', content: question }, body.choices[0].message, { role: 'user', content: 'And the lakes?' }] });
    same([again.status, world.queries.length], [200, 1], 'the message comes back, and nothing is searched unasked');
});

await check('a stream says what was found before its first word', async () => {
    const { text } = await chat({ stream: true, tools: [{ type: 'web_search' }, { type: 'function', function: { name: 'f', parameters: { type: 'object' } } }] });
    const chunks = events(text);
    same(chunks[0].choices[0].delta.search_results.length, 4, 'results');
    same(chunks.slice(1).some((chunk) => chunk.choices[0]?.delta.search_results), false, 'once');
});

await check('tool_choice none, and a message without words, search nothing', async () => {
    const before = world.queries.length;
    same((await chat({ tools: [{ type: 'web_search' }], tool_choice: 'none' })).body.choices[0].message.search_results, undefined, 'none');
    same((await chat({ messages: [{ role: 'user', content: ' ' }], tools: [{ type: 'web_search' }] })).status, 200, 'no words');
    same(world.queries.length, before, 'queries');
});

await check('links of a message are read', async () => {
    const { body } = await chat({ messages: [{ role: 'user', content: `Sum up ${world.urls.site}/plain, (${world.urls.site}/chinese) and http://127.0.0.1:${world.ports.secret}/.` }], tools: [{ type: 'deepseek_read_url' }] });
    same(body.choices[0].message.search_results.map((one) => [one.title, one.url]), [['', `${world.urls.site}/plain`], ['长江', `${world.urls.site}/chinese`]], 'pages');
    same([body.usage.server_tool_use, world.secrets], [{ web_search_requests: 0, web_fetch_requests: 2 }, 0], 'calls');
});

await check('the Responses API has an item for it', async () => {
    const ask = { model: 'deepseek-chat', max_output_tokens: 4, input: question, tools: [{ type: 'web_search_2025_08_26' }] };
    const { body } = await post('/v1/responses', ask);
    same([body.output[0].type, body.output[0].status, body.output[0].action.query, body.output[0].action.sources.length, body.output.at(-1).type], ['web_search_call', 'completed', question, 4, 'message'], 'output');
    const stream = events((await post('/v1/responses', { ...ask, stream: true })).text);
    same(stream.map((event) => event.type).slice(0, 9), ['response.created', 'response.in_progress', 'response.output_item.added', 'response.web_search_call.in_progress', 'response.web_search_call.searching', 'response.web_search_call.completed', 'response.output_item.done', 'response.output_item.added', 'response.content_part.added'], 'events');
    same(stream.map((event) => event.sequence_number), stream.map((_, i) => i), 'their numbers');
    same(stream.filter((event) => event.type === 'response.output_item.added').map((event) => event.output_index), [0, 1], 'places');
    same(stream.at(-1).response.output.map((item) => item.type), ['web_search_call', 'message'], 'all of it at the end');
    const next = await post('/v1/responses', { ...ask, tools: undefined, input: [{ role: 'user', content: question }, ...body.output, { role: 'user', content: 'Thanks' }] });
    same(next.status, 200, 'the items come back');
});

await check('the Messages API has blocks for it', async () => {
    const ask = { model: 'deepseek-chat', max_tokens: 4, messages: [{ role: 'user', content: question }], tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 5 }] };
    const { body } = await post('/anthropic/v1/messages', ask);
    same(body.content.map((block) => block.type), ['server_tool_use', 'web_search_tool_result', 'text'], 'blocks');
    same([body.content[0].input, body.content[1].tool_use_id === body.content[0].id, body.content[1].content.length, body.usage.server_tool_use.web_search_requests], [{ query: question }, true, 4, 1], 'what they say');
    const stream = events((await post('/anthropic/v1/messages', { ...ask, stream: true })).text);
    same(stream.filter((event) => event.type === 'content_block_start').map((event) => [event.index, event.content_block.type]), [[0, 'server_tool_use'], [1, 'web_search_tool_result'], [2, 'text']], 'a stream');
    same(stream.filter((event) => event.type === 'content_block_stop').map((event) => event.index), [0, 1, 2], 'each ends');
    const next = await post('/anthropic/v1/messages', { ...ask, tools: undefined, messages: [{ role: 'user', content: question }, { role: 'assistant', content: body.content }, { role: 'user', content: 'Thanks' }] });
    same([next.status, next.body.content.map((block) => block.type)], [200, ['text']], 'the blocks come back');
});

await check('an engine that fails is an error in words', async () => {
    world.engine.closeAllConnections();
    world.engine.close();
    const { status, body } = await chat({ stream: true, tools: [{ type: 'web_search' }] });
    if (status !== 503 || !/search engine/.test(body.error.message)) throw new Error(`${status} ${JSON.stringify(body)}`);
});

await check('a server that searches nothing says so in a chat, and leaves it out elsewhere', async () => {
    const other = start();
    const base = await other.url;
    const refused = await post('/v1/chat/completions', { model: 'deepseek-chat', messages: [{ role: 'user', content: 'Hi' }], tools: [{ type: 'web_search' }] }, base);
    same([refused.status, refused.body.error.message], [400, 'tools: this server searches nothing: it was started without --search'], 'a chat');
    const ignored = await post('/v1/responses', { model: 'deepseek-chat', max_output_tokens: 4, input: 'Hi', tools: [{ type: 'web_search' }] }, base);
    same([ignored.status, ignored.body.output.map((item) => item.type)], [200, ['message']], 'responses');
    await end(other.server);
});

await check('the server ends well', () => end(first.server));
world.close();
process.exitCode = failures() > 0 ? 1 : 0;
