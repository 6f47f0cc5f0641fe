// service.mjs TEST URL ... - what many users at once see of each other: nothing. Prints what went wrong, and figures.
import net from 'node:net';

const [test, url, ...more] = process.argv.slice(2);
const headers = { 'content-type': 'application/json' };
let wrong = 0;
const complain = text => { wrong++; console.log('wrong: ' + text); };
const forever = { logit_bias: { 1: -100 } }; // no end token

let seed = 11;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
const words = 'the king my lord shall not be to and of thy love a heart with death O what in this night'.split(' ');
const speech = count => Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join(' ');

const ask = async body => {
    const r = await fetch(url + '/v1/chat/completions', { method: 'POST', headers, body: JSON.stringify(body) });
    if (r.status !== 200) throw new Error(`status ${r.status}: ${(await r.text()).slice(0, 200)}`);
    return r.json();
};
const chat = (content, fields) => ({ model: 'deepseek-chat', messages: [{ role: 'user', content }], ...fields });

// Calls `each` for every event of a stream; resolves at its end. `control` can end it.
const stream = async (body, control, each) => {
    const r = await fetch(url + '/v1/chat/completions', { method: 'POST', headers, signal: control?.signal, body: JSON.stringify({ ...body, stream: true }) });
    if (r.status !== 200) throw new Error(`status ${r.status}`);
    const decoder = new TextDecoder();
    let text = '';
    for await (const bytes of r.body) {
        text += decoder.decode(bytes, { stream: true });
        const events = text.split('\n\n');
        text = events.pop();
        for (const event of events) if (event.startsWith('data: {')) each(JSON.parse(event.slice(6)));
    }
};

// The same prompt alone, and with 16 neighbours of all kinds that join and leave. The cache is each user's own.
const neighbours = async () => {
    const mine = user => chat(speech(120), { max_tokens: 200, temperature: 0.9, seed: 5, logprobs: true, top_logprobs: 5, user_id: user, ...forever });
    const prompt = mine('alone'), rounds = Number(more[0] ?? 1);
    const bytes = answer => JSON.stringify([answer.choices[0].message, answer.choices[0].logprobs, answer.choices[0].finish_reason]);
    const alone = bytes(await ask(prompt));
    for (let round = 0; round < rounds; round++) {
        let done = false;
        const neighbour = async n => {
            for (let i = 0; !done; i++) {
                const control = new AbortController(), body = chat(speech(1 + Math.floor(random() * 400)), { max_tokens: 1 + Math.floor(random() * 60), temperature: random() * 2, seed: n + i, n: random() < 0.2 ? 2 : 1, user_id: `n${n}` });
                if (random() < 0.2) setTimeout(() => control.abort(), random() * 100);
                await stream(body, control, () => {}).catch(() => {});
            }
        };
        const others = Array.from({ length: 16 }, (_, n) => neighbour(n));
        await new Promise(r => setTimeout(r, 100));
        const among = bytes(await ask({ ...prompt, user_id: `among${round}` }));
        done = true;
        await Promise.all(others);
        if (among !== alone) complain(`an answer depends on its neighbours:\n${alone.slice(0, 300)}\n${among.slice(0, 300)}`);
    }
    console.log(`${alone.length} bytes, the same with neighbours ${rounds - wrong} times of ${rounds}`);
};

// While a body of 10 MB is read, tokenized and refused, another user's stream goes on.
const stall = async () => {
    const control = new AbortController(), big = JSON.stringify(chat(speech(1000).repeat(2500)));
    let tokens = 0, before = 0;
    // one story after the other: reading may take longer than one of them
    const tell = async heard => { while (!control.signal.aborted) await stream(chat('Tell me a story.', { max_tokens: 3000, ...forever }), control, heard).catch(e => control.signal.aborted || complain(e.message)); };
    const begun = new Promise(r => void tell(() => { if (++tokens === 5) r(); }));
    await begun;
    const { hostname, port } = new URL(url), head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(big)}\r\n\r\n`;
    const status = await new Promise((done, failed) => {
        const socket = net.connect(port, hostname, () => socket.write(head + big, () => { before = tokens; }));
        socket.once('data', data => { done(Number(data.toString().split(' ')[1])); socket.destroy(); });
        socket.on('error', failed);
    });
    const during = tokens - before;
    control.abort();
    if (status !== 400) complain(`a prompt that is too long gave ${status}`);
    if (during < 10) complain(`a stream got ${during} tokens while a large prompt was read`);
    console.log(`${during} tokens of a stream while ${Math.round(big.length / 1e6)} MB were read`);
};

// A chat of about 4,000 tokens goes on: the second turn computes what is new.
const turns = async () => {
    const length = Number(more[0] ?? 4000), times = [];
    const timed = async body => {
        const start = performance.now();
        let first = 0, usage, text = '';
        await stream(body, null, chunk => {
            const delta = chunk.choices[0]?.delta?.content;
            if (delta && !first) first = performance.now() - start;
            text += delta ?? '';
            usage = chunk.usage ?? usage;
        });
        times.push(first);
        return { usage, text };
    };
    const messages = [{ role: 'user', content: speech(8) }];
    const count = async () => (await (await fetch(url + '/tokenize', { method: 'POST', headers, body: JSON.stringify({ content: messages[0].content }) })).json()).count;
    for (let size = await count(); size < length; size = await count()) messages[0].content += ' ' + speech(Math.max(1, Math.floor((length - size) / 3)));
    const fields = { max_tokens: 40, temperature: 1, seed: 3, ...forever };
    const first = await timed({ model: 'deepseek-chat', messages, ...fields });
    messages.push({ role: 'assistant', content: first.text }, { role: 'user', content: 'And then?' });
    const second = await timed({ model: 'deepseek-chat', messages, ...fields });
    const hit = second.usage.prompt_cache_hit_tokens, prompt = second.usage.prompt_tokens;
    const written = first.usage.prompt_tokens + first.usage.completion_tokens;
    if (first.usage.prompt_cache_hit_tokens) complain('the first turn was cached already');
    if (hit < Math.floor((written - 1) / 64) * 64) complain(`${hit} of ${prompt} tokens hit, ${written} of them were computed before`);
    if ((prompt - hit) * 20 > first.usage.prompt_tokens) complain(`the second turn computes ${prompt - hit} tokens, the first one computed ${first.usage.prompt_tokens}`);
    console.log(`first turn ${first.usage.prompt_tokens} tokens in ${times[0].toFixed(1)} ms, second ${prompt - hit} in ${times[1].toFixed(1)} ms: 1/${(times[0] / times[1]).toFixed(1)}`);
};

await { neighbours, stall, turns }[test]();
process.exit(wrong ? 1 : 0);
