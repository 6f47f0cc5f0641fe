/* search.mjs BINARY MODEL - search and fetch against a world of our own, and URLs that try to get behind the server. */
import { spawn } from 'node:child_process';
import { check, failures, same } from './check.mjs';
import { openWorld } from './search_world.mjs';

const [binary, model] = process.argv.slice(2);
const world = await openWorld();

const server = spawn(binary, ['serve', '-m', model, '--template', 'deepseek-v3', '--port', '0', '--no-log', '--search', world.urls.engine, '--web-allow', `127.0.0.1:${world.ports.site}`], { stdio: ['ignore', 'ignore', 'pipe'] });
const url = await new Promise((resolve) => {
    let said = '';
    server.stderr.on('data', (data) => {
        said += data;
        const found = /serving (http:[^,]*),/.exec(said);
        if (found) resolve(found[1]);
    });
    server.on('exit', () => resolve(''));
});

if (!url) {
    console.log('not ok - the server starts');
    process.exit(1);
}

async function post(path, body) {
    const response = await fetch(url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
}
const fetchPage = (address) => post('/v1/tools/fetch', { url: address });

await check('it is offered', async () => same((await (await fetch(`${url}/capabilities`)).json()).search, { available: true }, 'capability'));

await check('a search has titles, addresses, summaries and contents', async () => {
    const { status, body } = await post('/v1/tools/search', { query: 'deep sea & "trenches" 长江', count: 10 });
    same([status, world.queries.at(-1)], [200, 'deep sea & "trenches" 长江'], 'the question arrives as it is');
    same(body.results.map((one) => one.title), ['The deep sea', 'Secret', '<b>长江</b>', ''], 'what is no page is left out');
    same(body.results[0], { title: 'The deep sea', url: `${world.urls.site}/deep`, summary: 'It begins at 6,000 metres.', rerank_score: 2.5 }, 'a result');
    same(body.results.map((one) => one.rerank_score), [2.5, 3, 0, 0], 'scores');
    const one = await post('/v1/tools/search', { query: 'x', count: 1 });
    same(one.body.results.length, 1, 'count');
    const full = await post('/v1/tools/search', { query: 'x', need_content: true });
    same(full.body.results.map((result) => Boolean(result.content)), [true, false, true, true], 'contents, but none of the private machine');
    same(full.body.results[2].content, '你好', 'another encoding');
});

await check('a page becomes text', async () => {
    const { status, body } = await fetchPage(`${world.urls.site}/deep`);
    const wanted = '# Hadal zone\n\nIt begins at 6,000 metres & ends at 11,034\u00a0m.\n\n- cold\n- dark\n\nTrench | m\nMariana | 10,984\n\na\n  b\n\nunclosed\n\nnested';
    same([status, body], [200, { title: 'The deep sea', content: wanted }], 'deep');
    same((await fetchPage(`${world.urls.site}/chinese`)).body, { title: '长江', content: '你好' }, 'GBK');
    same((await fetchPage(`${world.urls.site}/plain`)).body, { title: '', content: 'just words' }, 'plain');
    same((await fetchPage(`${world.urls.site}/empty`)).body, { title: '', content: '' }, 'empty');
    same((await fetchPage(`${world.urls.site}/redirect?to=/plain`)).body.content, 'just words', 'a redirect');
    const long = (await fetchPage(`${world.urls.site}/long`)).body.content;
    if (long.length > 256 << 10 || long.length < 200000) throw new Error(`long: ${long.length}`);
    same((await fetchPage(`${world.urls.site}/nested`)).status, 200, 'deep nesting');
});

await check('what cannot be read is refused in words', async () => {
    const refused = async (path, words) => {
        const { status, body } = await fetchPage(world.urls.site + path);
        if (status < 400 || status >= 500 || !words.test(body.error.message)) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    };
    await refused('/picture', /image\/png, which is no text/);
    await refused('/large', /larger than 4 MiB/);
    await refused('/nothing', /status 404/);
    const around = (times) => (times ? `/redirect?to=${encodeURIComponent(around(times - 1))}` : '/plain');
    same((await fetchPage(world.urls.site + around(5))).status, 200, 'five redirects');
    await refused(around(6), /redirect/i);
    for (const body of [{}, { url: 7 }, { url: '' }, '[]', '{', { url: 'x'.repeat(5000) }]) same((await post('/v1/tools/fetch', body)).status, 400, JSON.stringify(body).slice(0, 40));
    for (const body of [{}, { query: '' }, { query: 'x'.repeat(129) }, { query: 'x', count: 0 }, { query: 'x', count: 51 }, { query: 7 }]) same((await post('/v1/tools/search', body)).status, 400, JSON.stringify(body).slice(0, 40));
    same((await post('/v1/tools/search', { query: '长'.repeat(128) })).status, 200, 'characters are counted, not bytes');
});

await check('hostile addresses reach nothing private', async () => {
    const { secret, site } = world.ports;
    const hosts = ['127.0.0.1', 'localhost', 'LOCALHOST', 'localhost.', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '017700000001', '127.0.0.1.', '0', '0.0.0.0', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:7f00:0001]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fe80::1%25lo]', '①②⑦.⓪.⓪.①', '127。0。0。1', 'user:pass@127.0.0.1', 'example.org@127.0.0.1', '127.0.0.1#@example.org', '127.0.0.1\\@example.org'];
    const urls = hosts.map((host) => (host.includes('#') ? `http://127.0.0.1:${secret}#@example.org/` : `http://${host}:${secret}/`));
    for (const to of [`http://127.0.0.1:${secret}/`, `http://localhost:${secret}/`, `//127.0.0.1:${secret}/`, `http://[::ffff:127.0.0.1]:${secret}/`, 'file:///etc/passwd', `gopher://127.0.0.1:${secret}/_x`, `http://127.0.0.1:${site}/redirect?to=${encodeURIComponent(`http://0x7f.1:${secret}/`)}`])
        for (const code of [301, 307]) urls.push(`${world.urls.site}/redirect?code=${code}&to=${encodeURIComponent(to)}`);
    urls.push('file:///etc/passwd', 'FILE:///etc/passwd', `gopher://127.0.0.1:${secret}/`, `dict://127.0.0.1:${secret}/`, `ftp://127.0.0.1:${secret}/`, `ldap://127.0.0.1:${secret}/`, 'http://', 'http:///', `//127.0.0.1:${secret}/`, `127.0.0.1:${secret}`, 'data:text/html,x', 'http://169.254.169.254/latest/meta-data/', 'http://10.0.0.1/', 'http://192.168.1.1/', 'http://172.16.0.1/', 'http://100.64.0.1/', 'http://[fd00::1]/', 'http://224.0.0.1/', `http://127.0.0.1:${secret}/\r\nHost: x`, `${url}/metrics`);
    const answers = await Promise.all(urls.map(fetchPage));
    answers.forEach(({ status, body }, i) => {
        if (status < 400 || JSON.stringify(body).includes('swordfish')) throw new Error(`${urls[i]}: ${status} ${JSON.stringify(body).slice(0, 200)}`);
    });
    console.log(`${urls.length} addresses`);
    same(world.secrets, 0, 'requests to the private machine');
});

await check('an engine that fails is an error in words, and its redirects are not followed', async () => {
    world.redirect = `http://127.0.0.1:${world.ports.secret}/`;
    same((await post('/v1/tools/search', { query: 'x' })).status, 503, 'a redirect');
    world.redirect = null;
    same(world.secrets, 0, 'requests to the private machine');
    world.engine.closeAllConnections();
    world.engine.close();
    const { status, body } = await post('/v1/tools/search', { query: 'x' });
    if (status !== 503 || !/search engine/.test(body.error.message)) throw new Error(`${status} ${JSON.stringify(body)}`);
});

await check('clients that leave and a server that ends leave nothing behind', async () => {
    const controller = new AbortController();
    const slow = fetch(`${url}/v1/tools/fetch`, { method: 'POST', body: JSON.stringify({ url: `${world.urls.site}/slow` }), signal: controller.signal }).catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 200));
    controller.abort();
    await slow;
    const begun = Date.now();
    const ended = new Promise((resolve) => server.on('exit', resolve));
    server.kill('SIGTERM');
    same(await ended, 0, 'the exit status');
    console.log(`ended in ${Date.now() - begun} ms, with a page that never comes`);
});

server.kill('SIGKILL');
world.close();
process.exitCode = failures() > 0 ? 1 : 0;
