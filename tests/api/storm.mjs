// storm.mjs URL KEY - many requests at once that are cancelled, cut, malformed or read slowly. Prints what went wrong, and
// how many were answered. The server must be idle afterwards.
import net from 'node:net';

const [url, key] = process.argv.slice(2), { hostname, port } = new URL(url);
const total = Number(process.argv[4] ?? 300);
let seed = 7, answered = 0, wrong = 0;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
const pick = list => list[Math.floor(random() * list.length)];
const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
const questions = ['Say hi', 'To be, or not to be', 'a', 'ROMEO and JULIET '.repeat(20)];
const body = more => JSON.stringify({ model: 'deepseek-chat', messages: [{ role: 'user', content: pick(questions) }], temperature: 0, max_tokens: 1 + Math.floor(random() * 24), ...more });
const complain = text => { wrong++; console.log('wrong: ' + text); };

// The answers to the same question must be the same, whoever asks beside it.
const known = new Map();
const remember = (sent, text) => {
    if (known.has(sent) && known.get(sent) !== text) complain(`two answers to ${sent.slice(0, 120)}`);
    known.set(sent, text);
};

const whole = async () => {
    const sent = body(), r = await fetch(url + '/v1/chat/completions', { method: 'POST', headers, body: sent });
    if (r.status === 503 || r.status === 429) return;
    if (r.status !== 200) return complain('status ' + r.status);
    remember(sent, (await r.json()).choices[0].message.content);
    answered++;
};

const stream = async () => {
    const sent = body(), r = await fetch(url + '/v1/chat/completions', { method: 'POST', headers, body: sent.slice(0, -1) + ',"stream":true}' });
    if (r.status !== 200) return;
    const text = await r.text();
    if (!text.trimEnd().endsWith('data: [DONE]')) return complain('a stream without its end');
    const parts = text.split('\n\n').filter(e => e.startsWith('data: {')).map(e => JSON.parse(e.slice(6)).choices[0].delta.content ?? '');
    remember(sent, parts.join(''));
    answered++;
};

// Reads a little at a time, with pauses, and still gets everything.
const slow = () => new Promise(done => {
    const sent = body({ stream: true }), socket = net.connect(port, hostname);
    let text = '';
    socket.on('error', e => { complain('a slow reader: ' + e.message); done(); });
    socket.on('data', data => {
        text += data;
        socket.pause();
        setTimeout(() => socket.resume(), random() * 20);
        if (text.endsWith('\r\n0\r\n\r\n')) socket.destroy();
    });
    socket.on('close', () => {
        if (text.startsWith('HTTP/1.1 200') && !text.includes('data: [DONE]')) complain('a slow reader got no end');
        answered++;
        done();
    });
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(sent)}\r\n\r\n${sent}`);
});

const abort = async () => {
    const control = new AbortController();
    setTimeout(() => control.abort(), random() * 60);
    await fetch(url + '/v1/chat/completions', { method: 'POST', headers, signal: control.signal, body: body({ max_tokens: 500, stream: random() < 0.7 }) }).then(r => r.text()).catch(() => {});
};

// Raw bytes, then a cut, at once or after a while, perhaps never reading.
const raw = () => new Promise(done => {
    const socket = net.connect(port, hostname), sent = body({ max_tokens: 400, stream: true });
    const good = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Length: ${Buffer.byteLength(sent)}\r\n\r\n${sent}`;
    const text = pick([good, good.slice(0, Math.floor(random() * good.length)), 'GET / HTTP/1.1\r\n\r\n', '\0\x01\x02', good.replace('Content-Length', 'Content-Lenght'), good + good]);
    socket.on('error', () => {});
    socket.on('close', done);
    if (random() < 0.5) socket.pause();
    socket.write(text);
    setTimeout(() => socket.destroy(), random() * 100);
});

const malformed = async () => {
    const r = await fetch(url + pick(['/v1/chat/completions', '/completions', '/anthropic/v1/messages']), { method: 'POST', headers, body: pick(['', '{', '[]', '{"messages":[{"role":"user"}]}', '{"prompt":7}', '"'.repeat(1000), '['.repeat(5000)]) });
    if (r.status !== 400) complain(`malformed gave ${r.status}`);
    await r.text();
};

const workers = Array.from({ length: 16 }, async (_, worker) => {
    for (let i = worker; i < total; i += 16) await pick([whole, stream, whole, stream, abort, raw, malformed, slow])().catch(e => complain(e.message));
});
await Promise.all(workers);
for (let i = 0; i < 3000; i++) {
    const { running, waiting } = await (await fetch(url + '/health')).json();
    if (running + waiting === 0) break;
    if (i === 2999) complain(`still ${running} running, ${waiting} waiting`);
    await new Promise(done => setTimeout(done, 20));
}
// Alone the answers are the same.
for (const [sent, text] of [...known].slice(0, 40)) {
    const r = await fetch(url + '/v1/chat/completions', { method: 'POST', headers, body: sent });
    if ((await r.json()).choices[0].message.content !== text) complain(`another answer alone to ${sent.slice(0, 120)}`);
}
console.log(`${total} requests, ${answered} answered, ${known.size} different, ${wrong} wrong`);
process.exit(wrong || answered < total / 10 ? 1 : 0);
