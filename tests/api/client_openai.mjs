// client_openai.mjs - OpenAI's own client against the server.
import OpenAI from 'openai';
import Ajv from 'ajv';
import { createParser } from 'eventsource-parser';
import { base, model, check, expect, thrown, finish, question } from './check.mjs';

const client = new OpenAI({ baseURL: base + '/v1', apiKey: 'sk-test-0123456789', maxRetries: 0 });
const ask = (more = {}) => client.chat.completions.create({ model, messages: question, max_tokens: 12, temperature: 0, ...more });
const post = (path, body, headers = {}) => fetch(base + path, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test-0123456789', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
});

await check('models', async () => {
    const list = await client.models.list();
    return list.data.length > 0 && list.data.every(m => m.object === 'model') && list.data.some(m => m.id === model);
});

await check('chat', async () => {
    const r = await ask(), u = r.usage;
    expect('chat: object', r.object === 'chat.completion' && /^[0-9a-f-]{36}$/.test(r.id) && r.model === model, JSON.stringify(r));
    expect('chat: message', r.choices.length === 1 && r.choices[0].message.role === 'assistant' &&
        typeof r.choices[0].message.content === 'string' && ['stop', 'length'].includes(r.choices[0].finish_reason), JSON.stringify(r));
    expect('chat: usage', u.total_tokens === u.prompt_tokens + u.completion_tokens && u.completion_tokens <= 12 &&
        u.prompt_tokens === u.prompt_cache_hit_tokens + u.prompt_cache_miss_tokens &&
        u.prompt_tokens_details.cached_tokens === u.prompt_cache_hit_tokens, JSON.stringify(u));
    expect('chat: fingerprint', /^fp_[0-9a-f]+/.test(r.system_fingerprint));
});

await check('the same question has the same answer, streamed or not', async () => {
    const whole = await ask(), chunks = [];
    for await (const c of await ask({ stream: true })) chunks.push(c);
    const text = chunks.map(c => c.choices[0].delta.content ?? '').join(''), last = chunks.at(-1), first = chunks[0];
    expect('stream: first chunk has the role', first.choices[0].delta.role === 'assistant' && first.choices[0].delta.content === '');
    expect('stream: one id', new Set(chunks.map(c => c.id)).size === 1 && chunks.every(c => c.object === 'chat.completion.chunk'));
    expect('stream: usage comes with the last chunk', last.usage?.completion_tokens === whole.usage.completion_tokens &&
        chunks.slice(0, -1).every(c => !c.usage), JSON.stringify(last));
    expect('stream: only the last has a reason', last.choices[0].finish_reason === whole.choices[0].finish_reason &&
        chunks.slice(0, -1).every(c => c.choices[0].finish_reason === null));
    return text === whole.choices[0].message.content;
});

await check('usage is null before the last chunk when it was asked for', async () => {
    const chunks = [];
    for await (const c of await ask({ stream: true, stream_options: { include_usage: true } })) chunks.push(c);
    return chunks.slice(0, -1).every(c => c.usage === null) && chunks.at(-1).usage.total_tokens > 0;
});

await check('framing of events', async () => {
    const response = await post('/v1/chat/completions', { model, messages: question, max_tokens: 4, stream: true });
    const events = [], parser = createParser({ onEvent: e => events.push(e.data) });
    parser.feed(await response.text());
    return response.headers.get('content-type').startsWith('text/event-stream') && events.at(-1) === '[DONE]' &&
        events.slice(0, -1).every(e => JSON.parse(e).object === 'chat.completion.chunk') && response.headers.get('x-request-id')?.length === 36;
});

await check('every path of chat completions', async () => {
    for (const path of ['/chat/completions', '/v1/chat/completions', '/beta/chat/completions']) {
        const r = await post(path, { model, messages: question, max_tokens: 1 });
        if (r.status !== 200) throw new Error(path + ' gave ' + r.status);
        await r.json();
    }
});

await check('log-probabilities', async () => {
    const r = await ask({ logprobs: true, top_logprobs: 5, max_tokens: 3 }), list = r.choices[0].logprobs.content;
    return list.length === r.usage.completion_tokens && list.every(e => e.top_logprobs.length === 5 && e.logprob <= 1e-6 &&
        Math.abs(e.logprob - e.top_logprobs[0].logprob) < 1e-4 && Buffer.from(e.bytes).toString().length > 0 &&
        e.top_logprobs.every((t, i, all) => i === 0 || t.logprob <= all[i - 1].logprob));
});

await check('log-probabilities of a stream are those of the whole', async () => {
    const whole = (await ask({ logprobs: true, max_tokens: 6 })).choices[0].logprobs.content, parts = [];
    for await (const c of await ask({ logprobs: true, max_tokens: 6, stream: true })) parts.push(...(c.choices[0].logprobs?.content ?? []));
    return JSON.stringify(whole) === JSON.stringify(parts);
});

await check('stop sequences do not appear', async () => {
    const r = await ask({ stop: ['e', 'a', ' '], max_tokens: 32 });
    return !/[ea ]/.test(r.choices[0].message.content);
});

await check('several answers', async () => {
    const r = await ask({ n: 3, temperature: 1.5, seed: 7, max_tokens: 8 });
    const again = await ask({ n: 3, temperature: 1.5, seed: 7, max_tokens: 8 });
    const texts = r.choices.map(c => c.message.content);
    expect('several answers: each has its number', r.choices.map(c => c.index).join() === '0,1,2');
    expect('several answers: they differ', new Set(texts).size > 1, texts.join('|'));
    expect('several answers: their tokens are added', r.usage.completion_tokens <= 24 && r.usage.completion_tokens >= 3);
    return texts.join('|') === again.choices.map(c => c.message.content).join('|');
});

await check('completions', async () => {
    const r = await client.completions.create({ model, prompt: 'ROMEO:', max_tokens: 8, temperature: 0, echo: true, logprobs: 2 });
    const c = r.choices[0];
    expect('completions: object', r.object === 'text_completion' && c.text.startsWith('ROMEO:'), JSON.stringify(r));
    expect('completions: lists of one length', [c.logprobs.tokens, c.logprobs.token_logprobs, c.logprobs.top_logprobs, c.logprobs.text_offset]
        .every(l => l.length === r.usage.completion_tokens), JSON.stringify(c.logprobs));
    let text = '';
    for await (const part of await client.completions.create({ model, prompt: 'ROMEO:', max_tokens: 8, temperature: 0, stream: true })) text += part.choices[0]?.text ?? '';
    return 'ROMEO:' + text === c.text;
});

await check('the prefix of an answer is continued', async () => {
    const r = await ask({ messages: [...question, { role: 'assistant', content: 'Hi', prefix: true }] });
    return r.choices[0].message.content.length > 0;
});

await check('a token that the bias forbids does not come', async () => {
    const first = (await ask({ logprobs: true, max_tokens: 1 })).choices[0].logprobs.content[0];
    const ids = (await (await post('/tokenize', { content: first.token })).json()).tokens;
    const r = await ask({ logprobs: true, max_tokens: 1, logit_bias: { [ids[0]]: -100 } });
    return r.choices[0].logprobs.content[0].token !== first.token;
});

await check('text to tokens and back', async () => {
    const { tokens, count } = await (await post('/tokenize', { content: 'To be, or not to be' })).json();
    const { content } = await (await post('/detokenize', { tokens })).json();
    return count === tokens.length && content === 'To be, or not to be';
});

await check('errors are those that the client has types for', async () => {
    const bad = async (more, type, words) => {
        const error = await thrown(() => ask(more));
        expect(`error: ${words}`, error instanceof type && error.message.includes(words), error.message);
    };
    await bad({ model: 'nonsense' }, OpenAI.BadRequestError, 'Model Not Exist');
    await bad({ temperature: 3 }, OpenAI.BadRequestError, 'Invalid temperature value');
    await bad({ temperature: 'hot' }, OpenAI.BadRequestError, 'temperature');
    await bad({ messages: [] }, OpenAI.BadRequestError, 'at least one message');
    await bad({ messages: [{ role: 'developer', content: 'x' }] }, OpenAI.BadRequestError, 'unknown variant `developer`');
    await bad({ messages: [{ role: 'assistant', content: null }] }, OpenAI.BadRequestError, 'content or tool_calls must be set');
    await bad({ max_tokens: 1000000 }, OpenAI.BadRequestError, 'maximum context length');
    await bad({ top_logprobs: 3 }, OpenAI.BadRequestError, 'top_logprobs');
    await bad({ stop: Array(17).fill('x') }, OpenAI.BadRequestError, 'stop');
    await bad({ user_id: 'a b' }, OpenAI.BadRequestError, 'user_id');
    const unknown = await thrown(() => client.get('/nothing'));
    expect('error: unknown path', unknown instanceof OpenAI.NotFoundError, unknown.message);
    const keyless = new OpenAI({ baseURL: base + '/v1', apiKey: 'sk-wrong-key-9876', maxRetries: 0 });
    const refused = await thrown(() => keyless.models.list());
    expect('error: wrong key', refused instanceof OpenAI.AuthenticationError && refused.message.includes('****9876'), refused.message);
});

await check('bodies that are no request', async () => {
    for (const body of ['{', '', '[]', '"x"', 'null', '{"messages":5}', '{"model":1,"messages":[]}', '\u0000', '{"messages":[{"role":"user","content":"x"}],"n":0}']) {
        const r = await post('/v1/chat/completions', body);
        const j = await r.json();
        if (r.status !== 400 || typeof j.error.message !== 'string' || j.error.code !== 'invalid_request_error') throw new Error(body + ' gave ' + r.status);
    }
    const wrong = await fetch(base + '/v1/models', { method: 'DELETE' });
    return wrong.status === 405;
});

const schema = {
    type: 'object', required: ['a', 'b', 'c', 'd', 'e'], additionalProperties: false,
    properties: {
        a: { type: 'integer', minimum: -5, maximum: 120 }, b: { enum: ['x', 'y', 'zz'] }, c: { type: 'array', items: { type: 'boolean' }, maxItems: 3 },
        d: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/pair' }] }, e: { type: 'string', pattern: '^[a-c]{2,4}-\\d$' }, f: { type: 'string', maxLength: 5 },
    },
    $defs: { pair: { type: 'object', properties: { left: { $ref: '#/$defs/pair' }, name: { type: 'string', maxLength: 8 } }, required: ['name'], additionalProperties: false } },
};

await check('answers follow a JSON schema', async () => {
    const validate = new Ajv().compile(schema);
    let ended = 0;
    for (let seed = 0; seed < 6; seed++) {
        const r = await ask({ max_tokens: 900, temperature: 1, seed, response_format: { type: 'json_schema', json_schema: { name: 's', strict: true, schema } } });
        const { content } = r.choices[0].message;
        if (r.choices[0].finish_reason !== 'stop') continue;
        ended++;
        expect(`schema: seed ${seed}`, validate(JSON.parse(content)), content);
    }
    return ended >= 3;
});

await check('a stream follows it too, with several answers', async () => {
    const parts = ['', ''], reasons = [];
    for await (const c of await ask({ max_tokens: 300, temperature: 1, seed: 3, n: 2, stream: true, response_format: { type: 'json_schema', json_schema: { name: 's', schema } } }))
        for (const choice of c.choices) {
            parts[choice.index] += choice.delta.content ?? '';
            if (choice.finish_reason) reasons[choice.index] = choice.finish_reason;
        }
    return parts.every((text, i) => reasons[i] !== 'stop' || new Ajv().validate(schema, JSON.parse(text)));
});

await check('JSON mode gives an object', async () => {
    const r = await ask({ messages: [{ role: 'user', content: 'json' }], max_tokens: 400, temperature: 0.7, seed: 1, response_format: { type: 'json_object' } });
    const { content } = r.choices[0].message;
    return r.choices[0].finish_reason === 'length' ? content.trimStart().startsWith('{') : typeof JSON.parse(content) === 'object';
});

await check('keywords that cannot be kept are refused by name', async () => {
    for (const [keyword, bad] of [['not', { not: {} }], ['maxContains', { type: 'array', contains: {}, minContains: 2, maxContains: 1 }], ['uniqueItems', { type: 'array', uniqueItems: true, minItems: 2 }],
        ['multipleOf', { type: 'number', multipleOf: 0 }], ['pattern', { type: 'string', pattern: '(a)\\1' }]]) {
        const error = await thrown(() => ask({ response_format: { type: 'json_schema', json_schema: { name: 's', schema: bad } } }));
        if (!(error instanceof OpenAI.BadRequestError) || !error.message.includes(keyword)) throw new Error(`${keyword}: ${error.message}`);
    }
});

await check('answers follow a grammar, in every spelling', async () => {
    const grammar = 'root ::= ("yes" | "no") [0-9]{2,3} # an answer', fits = text => /^(yes|no)[0-9]{2,3}$/.test(text);
    for (const more of [{ grammar }, { response_format: { type: 'grammar', grammar } }, { guided_grammar: grammar }, { structured_outputs: { grammar } }]) {
        const { choices: [choice] } = await ask({ temperature: 1, seed: 3, max_tokens: 30, ...more });
        expect(`grammar: ${Object.keys(more)}`, choice.finish_reason === 'stop' && fits(choice.message.content), choice.message.content);
    }
    const { choices: [choice] } = await ask({ temperature: 1, max_tokens: 30, guided_choice: ['red', 'green'] });
    expect('choices', ['red', 'green'].includes(choice.message.content), choice.message.content);
    const { choices: [text] } = await client.completions.create({ model, prompt: 'x', max_tokens: 30, grammar });
    expect('grammar: of a completion', fits(text.text), text.text);
    const whole = await ask({ max_tokens: 300, json_schema: { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'], additionalProperties: false } });
    return typeof JSON.parse(whole.choices[0].message.content).a === 'boolean';
});

await check('grammars that are none are refused with the place', async () => {
    const bad = async (more, words) => {
        const error = await thrown(() => ask(more));
        expect(`grammar error: ${words}`, error instanceof OpenAI.BadRequestError && error.message.includes(words), error.message);
    };
    await bad({ grammar: 'root ::= "a\nx' }, 'grammar, line 1');
    await bad({ grammar: 'root ::= root "a"' }, '"root" begins with itself');
    await bad({ grammar: 7 }, 'grammar: must be a string');
    await bad({ guided_choice: [] }, 'guided_choice');
    await bad({ grammar: 'root ::= "a"', response_format: { type: 'json_object' } }, 'as well');
    await bad({ response_format: { type: 'grammar' } }, 'response_format.grammar');
    await bad({ response_format: { type: 'xml' } }, 'unknown variant `xml`');
});

await check('an end token does not end an answer that ignores it', async () => {
    const r = await ask({ max_tokens: 20, ignore_eos: true });
    return r.usage.completion_tokens === 20 && r.choices[0].finish_reason === 'length';
});

await check('an answer that nobody waits for ends', async () => {
    const abort = new AbortController(), stream = await client.chat.completions.create(
        { model, messages: question, max_tokens: 3000, temperature: 1, stream: true }, { signal: abort.signal });
    for await (const c of stream) if (c.choices[0].delta.content) break;
    abort.abort();
    for (let i = 0; i < 3000; i++) {
        const { running, waiting } = await (await fetch(base + '/health')).json();
        if (running === 0 && waiting === 0) return true;
        await new Promise(done => setTimeout(done, 20));
    }
    return false;
});

await check('metrics', async () => {
    const text = await (await fetch(base + '/metrics')).text();
    const of = name => Number(text.match(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm'))?.[1]);
    return of('vllm:generation_tokens_total') > 0 && of('vllm:num_requests_running') === 0 && of('hadal_requests_total') > 10 &&
        of('vllm:time_to_first_token_seconds_count') > 0;
});

finish();
