/* search_world.mjs - what a server that searches meets: an engine with the interface of SearXNG, a site, and a machine of
 * the operator's that nobody from outside may reach. Prints its ports, then counts. */
import { createServer } from 'node:http';

const listen = (handle) =>
    new Promise((resolve) => {
        const server = createServer(handle);
        server.listen(0, '127.0.0.1', () => resolve(server));
    });

export async function openWorld() {
    const world = { secrets: 0, queries: [], redirect: null };
    world.secret = await listen((request, response) => {
        world.secrets++;
        response.setHeader('Content-Type', 'text/html');
        response.end('<title>secret</title>the password is swordfish');
    });
    const secretPort = world.secret.address().port;
    const pages = {
        '/deep': ['text/html; charset=utf-8', '<!doctype html><html><head><title> The  deep\nsea </title><style>p{}</style><script>evil()</script></head><body><nav>menu</nav><h1>Hadal zone</h1><p>It begins at <b>6,000</b> metres &amp; ends at 11,034&nbsp;m.</p><ul><li>cold</li><li>dark</li></ul><table><tr><th>Trench</th><th>m</th></tr><tr><td>Mariana</td><td>10,984</td></tr></table><pre>a\n  b</pre><p>unclosed <div>nested</body></html>'],
        '/chinese': ['text/html', Buffer.concat([Buffer.from('<meta charset="gbk"><title>'), Buffer.from([0xb3, 0xa4, 0xbd, 0xad]), Buffer.from('</title><p>'), Buffer.from([0xc4, 0xe3, 0xba, 0xc3]), Buffer.from('</p>')])],
        '/plain': ['text/plain', 'just words'],
        '/picture': ['image/png', Buffer.from([0x89, 0x50, 0x4e, 0x47])],
        '/empty': ['text/html', ''],
        '/long': ['text/html', `<p>${'word '.repeat(200000)}</p>`],
        '/large': ['text/html', Buffer.alloc(5 << 20, 'x')],
        '/nested': ['text/html', '<div>'.repeat(50000) + 'bottom'],
    };
    world.site = await listen((request, response) => {
        const { pathname, searchParams } = new URL(request.url, 'http://site');
        if (pathname === '/redirect') {
            response.writeHead(Number(searchParams.get('code') || 302), { Location: searchParams.get('to') });
            return response.end();
        }
        if (pathname === '/slow') return undefined;
        if (!pages[pathname]) {
            response.writeHead(404);
            return response.end('no');
        }
        response.setHeader('Content-Type', pages[pathname][0]);
        return response.end(pages[pathname][1]);
    });
    const site = `http://127.0.0.1:${world.site.address().port}`;
    world.engine = await listen((request, response) => {
        const url = new URL(request.url, 'http://engine');
        world.queries.push(url.searchParams.get('q'));
        if (world.redirect) {
            response.writeHead(302, { Location: world.redirect });
            return response.end();
        }
        response.setHeader('Content-Type', 'application/json');
        const results = [
            { title: 'The deep sea', url: `${site}/deep`, content: 'It begins at 6,000 metres.', engine: 'test', score: 2.5, category: 'general' },
            { title: 'Secret', url: `http://127.0.0.1:${secretPort}/`, content: 'A private machine.', score: 9 },
            { title: 'Script', url: 'javascript:alert(1)', content: 'no page' },
            { title: '<b>长江</b>', url: `${site}/chinese`, content: '"quoted"', score: -1 },
            { url: `${site}/plain` },
        ];
        return response.end(JSON.stringify({ query: url.searchParams.get('q'), results, answers: [], unresponsive_engines: [] }));
    });
    world.ports = { engine: world.engine.address().port, site: world.site.address().port, secret: secretPort };
    world.urls = { engine: `http://127.0.0.1:${world.ports.engine}/search`, site };
    world.close = () => [world.secret, world.site, world.engine].forEach((server) => (server.closeAllConnections(), server.close()));
    return world;
}
