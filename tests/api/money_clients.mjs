// money_clients.mjs URL KEYS CLIENTS OUT - clients that ask, stream, leave in the middle and come again while the server is
// killed and started, until SIGTERM and until all kinds of ends were met. Each answer that came whole is a line of OUT: id, prompt tokens, cached ones,
// generated ones. Needs nothing but node.
import fs from 'node:fs';
import http from 'node:http';

const [url, keys, clients, out] = process.argv.slice(2), all = keys.split(',');
const { hostname, port } = new URL(url), seen = {};
const file = fs.openSync(out, 'a');
const questions = ['Say hi', 'To be, or not to be', 'a', 'ROMEO and JULIET '.repeat(30), 'Once upon a time '.repeat(12)];
let stopping = 0; // when
const random = n => Math.floor(Math.random() * n);
const pause = ms => new Promise(done => setTimeout(done, ms));
const count = what => { seen[what] = (seen[what] ?? 0) + 1; };
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

function keep(id, usage) {
    fs.writeSync(file, `${id},${usage.prompt_tokens},${usage.prompt_cache_hit_tokens},${usage.completion_tokens}\n`);
    count('whole');
}

function read(text, stream) {
    if (!stream) return JSON.parse(text);
    const events = text.split('\n\n').filter(e => e.startsWith('data: {'));
    if (!text.includes('data: [DONE]')) return {};
    return JSON.parse(events[events.length - 1].slice(6));
}

const ask = key => new Promise(done => {
    const stream = Math.random() < 0.6, leaves = Math.random() < 0.3 ? random(150) : -1;
    const body = JSON.stringify({ model: 'deepseek-chat', stream, n: Math.random() < 0.1 ? 2 : 1, max_tokens: 1 + random(60),
                                  messages: [{ role: 'user', content: questions[random(questions.length)] + random(20) }] });
    const request = http.request({ agent, hostname, port, method: 'POST', path: '/v1/chat/completions', headers: {
        authorization: 'Bearer ' + key, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } });
    let text = '', ended = false;
    const end = what => {
        if (!ended && what !== 'whole') count(what);
        ended = true;
        done(what);
    };
    request.on('error', () => end(leaves >= 0 ? 'left' : 'cut'));
    request.on('close', () => end(leaves >= 0 ? 'left' : 'cut'));
    request.on('response', response => {
        response.on('data', data => { text += data; });
        response.on('error', () => end(leaves >= 0 ? 'left' : 'cut'));
        response.on('end', () => {
            if (response.statusCode !== 200) return end(String(response.statusCode));
            try {
                const answer = read(text, stream);
                if (answer.usage) keep(answer.id, answer.usage);
            } catch { return end('cut'); }
            end('whole');
        });
    });
    if (leaves >= 0) setTimeout(() => request.destroy(), leaves);
    request.end(body);
});

/* What the test is about must have happened, which on a slow machine takes longer; but not for ever. */
const enough = () => stopping && (Date.now() - stopping > 60000 || (seen['402'] && seen['429'] && seen.left && seen.whole));

async function client(number) {
    while (!enough()) {
        const what = await ask(all[(number + random(2)) % all.length]);
        await pause(what === 'cut' ? 10 + random(40) : what === '402' ? 40 : random(5));
    }
}

process.on('SIGTERM', () => { stopping = Date.now(); });
await Promise.all(Array.from({ length: Number(clients) }, (_, i) => client(i)));
console.log(JSON.stringify(seen));
process.exit(0);
