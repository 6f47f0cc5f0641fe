/* search_engines.mjs BINARY MODEL DIRECTORY - engines with interfaces of their own, and the key that only they are sent. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { check, end, failures, same } from './check.mjs';

const [binary, model, directory] = process.argv.slice(2);
const listen = (handle) => new Promise((resolve) => {
    const server = createServer((request, response) => {
        let body = '';
        request.on('data', (data) => (body += data));
        request.on('end', () => handle(request, response, body));
    });
    server.listen(0, '127.0.0.1', () => resolve(server));
});
const site = await listen((request, response) => {
    seen.push(request.headers);
    response.setHeader('Content-Type', 'text/plain');
    response.end('what the page says');
});
let seen = [];
const page = `http://127.0.0.1:${site.address().port}/page`;
const engine = await listen((request, response, body) => {
    const url = new URL(request.url, 'http://engine');
    response.setHeader('Content-Type', 'application/json');
    asked.push({ method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), token: request.headers['x-subscription-token'] || request.headers.authorization, body: body && JSON.parse(body) });
    if (url.pathname === '/brave') response.end(JSON.stringify({ type: 'search', web: { type: 'search', results: [{ title: 'By Brave', url: page, description: 'short & plain' }] } }));
    else response.end(JSON.stringify({ query: 'x', results: [{ title: 'By Tavily', url: page, content: 'short', score: 0.93, raw_content: null }], response_time: '1.2' }));
});
let asked = [];

async function start(...options) {
    const server = spawn(binary, ['serve', '-m', model, '--template', 'deepseek-v3', '--port', '0', '--no-log', '--web-allow', `127.0.0.1:${site.address().port}`, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    const url = await new Promise((resolve) => {
        server.stderr.on('data', (data) => {
            said += data;
            const found = /serving (http:[^,]*),/.exec(said);
            if (found) resolve(found[1]);
        });
        server.on('exit', () => resolve(''));
    });
    return { server, url, said: () => said };
}
writeFileSync(`${directory}/key`, 'engine-key-123\nno key');
writeFileSync(`${directory}/empty`, '\n');

for (const [kind, title, wanted] of [
    ['brave', 'By Brave', { method: 'GET', path: '/brave', query: { q: 'deep "sea" & 长江', count: '3', text_decorations: 'false' }, token: 'engine-key-123', body: '' }],
    ['tavily', 'By Tavily', { method: 'POST', path: '/tavily', query: {}, token: 'Bearer engine-key-123', body: { query: 'deep "sea" & 长江', max_results: 3 } }],
]) {
    await check(`an engine of the kind ${kind}`, async () => {
        asked = [];
        seen = [];
        const { server, url } = await start('--search-kind', kind, '--search', `http://127.0.0.1:${engine.address().port}/${kind}`, '--search-key', `${directory}/key`);
        const response = await fetch(`${url}/v1/tools/search`, { method: 'POST', body: JSON.stringify({ query: 'deep "sea" & 长江', count: 3, need_content: true }) });
        const { results } = await response.json();
        same(asked, [wanted], 'what it is asked');
        same(results.map((one) => [one.title, one.url, one.content]), [[title, page, 'what the page says']], 'what it finds');
        same([seen.length, seen.some((headers) => JSON.stringify(headers).includes('engine-key'))], [1, false], 'pages are not sent the key');
        await end(server);
    });
}
await check('a file without a key is refused', async () => {
    const { url, said } = await start('--search-kind', 'brave', '--search', 'http://127.0.0.1:1/', '--search-key', `${directory}/empty`);
    same([url, /empty: its first line must be a key/.test(said())], ['', true], said());
});
site.close();
engine.close();
process.exitCode = failures() > 0 ? 1 : 0;
