/* search_money.mjs BINARY MODEL DIRECTORY - calls of tools are charged: one that succeeds by its price, one that fails not, and
 * none without money. */
import { spawn } from 'node:child_process';
import { check, end, failures, same } from './check.mjs';
import { openWorld } from './search_world.mjs';

const [binary, model, directory] = process.argv.slice(2);
const world = await openWorld();
let said = '';
const server = spawn(binary, ['serve', '-m', model, '--template', 'deepseek-v3', '--port', '0', '--accounts', `${directory}/accounts.db`, '--prices', `${directory}/prices.json`, '--search', world.urls.engine, '--web-allow', `127.0.0.1:${world.ports.site}`], { stdio: ['ignore', 'ignore', 'pipe'] });
const url = await new Promise((resolve) => {
    server.stderr.on('data', (data) => {
        said += data;
        const found = /serving (http:[^,]*),/.exec(said);
        if (found) resolve(found[1]);
    });
    server.on('exit', () => resolve(''));
});
if (!url) {
    console.log(`not ok - the server starts: ${said}`);
    process.exit(1);
}
const admin = /sk-[0-9a-f]{48}/.exec(said)[0];

async function ask(path, key, body) {
    const response = await fetch(url + path, { method: body ? 'POST' : 'GET', headers: { Authorization: `Bearer ${key}` }, body: body && JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
}
const act = async (path, body = {}) => (await ask(path, admin, body)).body;

await act('/admin/add', { account: 'alice' });
await act('/admin/topup', { account: 'alice', amount: '0.002' });
const key = (await act('/admin/key/add', { account: 'alice', models: 'deepseek-chat' })).key;
const search = () => ask('/v1/tools/search', key, { query: 'deep sea' });
const fetchPage = (path) => ask('/v1/tools/fetch', key, { url: world.urls.site + path });
const left = async () => (await ask('/user/balance', key)).body.balance_infos[0].total_balance;
/* What is charged is there a moment behind the answer. */
async function settles(amount, what) {
    for (let i = 0; i < 600 && (await left()) !== amount; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    same(await left(), amount, what);
}

await check('prices of calls are said', async () => {
    const { prices } = (await ask('/capabilities', key)).body;
    same(prices, { currency: 'USD', models: { [model.split('/').pop()]: { hit: '1.00', miss: '10.00', output: '100.00', reasoning: '100.00' }, 'deepseek-chat': { hit: '1.00', miss: '10.00', output: '100.00', reasoning: '100.00' }, 'deepseek-reasoner': { hit: '1.00', miss: '10.00', output: '100.00', reasoning: '100.00' } }, calls: { search: '750.00', fetch: '1500.00' } }, 'prices');
});

await check('a call that succeeds is charged, one that fails is not, and none is made without money', async () => {
    same((await search()).status, 200, 'a search');
    await settles('0.00125', 'one search');
    same((await fetchPage('/plain')).body.error.message, 'Insufficient Balance', 'a page costs more');
    same((await ask('/v1/tools/search', key, { query: '' })).status, 400, 'no query');
    await settles('0.00125', 'a refusal is free');
    same((await search()).status, 200, 'another search');
    await settles('0.0005', 'two searches');
    const queries = world.queries.length;
    same((await search()).status, 402, 'no money');
    same(world.queries.length, queries, 'nothing was searched for');
    await act('/admin/topup', { account: 'alice', amount: '0.01' });
    same((await fetchPage('/plain')).status, 200, 'a page');
    await settles('0.009', 'a page');
    if ((await fetchPage('/missing')).status < 400) throw new Error('a page that is not there');
    await settles('0.009', 'is free');
});

await check('a search that the server makes for an answer is charged beside it', async () => {
    await act('/admin/topup', { account: 'alice', amount: '1' });
    const { status, body } = await ask('/v1/chat/completions', key, { model: 'deepseek-chat', max_tokens: 2, messages: [{ role: 'user', content: 'How deep?' }], tools: [{ type: 'web_search' }] });
    same([status, body.usage.server_tool_use.web_search_requests], [200, 1], 'the answer');
    const { prompt_cache_hit_tokens: hit, prompt_cache_miss_tokens: miss, completion_tokens: output } = body.usage;
    const micros = 1009000 - (hit + 10 * miss + 100 * output) - 750;
    await settles(String(micros / 1e6), 'both');
});

await check('they are in usage, the ledger is clean, and the log has them', async () => {
    const { data } = await act('/admin/usage', { by: 'class' });
    same(data.filter((row) => row.class === 'search' || row.class === 'fetch').map((row) => [row.class, row.units, row.amount]), [['search', 3, '0.00225'], ['fetch', 1, '0.0015']], 'by class');
    const audit = await act('/admin/audit');
    same([audit.clean, audit.open_reservations, audit.findings], [true, 0, []], 'the audit');
    const lines = said.split('\n').filter((line) => line.includes('"tool":"')).map((line) => JSON.parse(line));
    same(lines.reduce((sum, line) => sum + Math.round(Number(line.charged) * 1e6), 0), 3750, 'the log');
});

await check('the server ends well', () => end(server));
world.close();
process.exitCode = failures() > 0 ? 1 : 0;
