// dialects.mjs URL DIALECT - the rows of the table of dialects, and what every dialect has, over plain HTTP.
import { check, expect, finish } from './check.mjs';

const [url, dialect] = process.argv.slice(2), openai = dialect === 'openai', key = 'sk-test-0123456789';
const send = (path, body, headers = {}) => fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST', headers: { authorization: `Bearer ${key}`, ...headers }, body: body && JSON.stringify(body),
});
const question = { role: 'user', content: 'Say hi' }, tools = [{ type: 'function', function: { name: 'f' } }];
const ask = (more = {}) => send('/chat/completions', { model: 'deepseek-reasoner', messages: [question], max_tokens: 4, temperature: 0, ...more });
const refused = async (name, reply, words) => {
    const r = await reply, { error } = await r.json();
    expect(name, r.status === 400 && error?.type === 'invalid_request_error' && error.code === 'invalid_request_error' && error.param === null &&
        error.message.includes(words), `${r.status} ${error?.message}`);
};
const taken = async (name, reply) => {
    const r = await reply, text = await r.text();
    expect(name, r.status === 200, `${r.status} ${text}`);
    return r.status === 200 ? JSON.parse(text) : {};
};
const words = 'The `reasoning_content` in the thinking mode must be passed back to the API.';
const call = { role: 'assistant', content: '', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] };
const result = { role: 'tool', tool_call_id: 'c', content: 'done' }, thought = { reasoning_content: 'hm' };
// Histories, and which rule refuses each without its reasoning: of a turn's calls, of all calls, of all answers beside tools.
const histories = [
    ['an answer', [question, { role: 'assistant', content: 'hi' }, question], {}, []],
    ['an answer beside tools', [question, { role: 'assistant', content: 'hi' }, question], { tools }, ['deepseek']],
    ['a call', [question, call, result], {}, ['deepseek-v4', 'deepseek-v3.2']],
    ['a call of an earlier turn', [question, call, result, { role: 'assistant', content: 'x' }, question], {}, ['deepseek-v4']],
];

for (const [name, messages, more, rules] of histories) {
    if (rules.includes(dialect)) await refused(`${name}: reasoning must come back`, ask({ messages, ...more }), words);
    else await taken(`${name}: reasoning may be missing`, ask({ messages, ...more }));
    const back = messages.map(m => (m.role === 'assistant' ? { ...m, ...thought } : m));
    if (dialect === 'deepseek-r1') await refused(`${name}: reasoning must not come back`, ask({ messages: back, ...more }), 'must not be passed back');
    else await taken(`${name}: reasoning may come back`, ask({ messages: back, ...more }));
    if (dialect !== 'deepseek-r1') await taken(`${name}: without thinking nobody asks`, ask({ messages, ...more, thinking: { type: 'disabled' } }));
}

await check('what was forced can come back', async () => {
    const first = (await taken('a forced call', ask({ tools, tool_choice: 'required', max_tokens: 200 }))).choices[0].message;
    const { reasoning_content, ...rest } = first;
    await taken('goes on', ask({ messages: [question, dialect === 'deepseek-r1' ? rest : first, { ...result, tool_call_id: first.tool_calls[0].id }], tools }));
    return reasoning_content === '';
});

await check('roles and required fields', async () => {
    const place = 'Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant `owner`, expected one of `system`, `user`, `assistant`, `tool` at line 1 column ';
    await refused('an unknown role', ask({ messages: [{ role: 'owner', content: 'x' }] }), place);
    const developer = ask({ messages: [{ role: 'developer', content: 'x' }, question] });
    openai ? await taken('developer', developer) : await refused('developer', developer, 'unknown variant `developer`');
    const nameless = ask({ model: undefined });
    openai ? await taken('no model', nameless) : await refused('no model', nameless, 'missing field `model`');
    const unknown = ask({ model: 'gpt-9' });
    openai ? await taken('an unknown model', unknown) : await refused('an unknown model', unknown, 'Model Not Exist');
});

await check('log-probabilities of a model that thinks', async () => {
    const reply = ask({ logprobs: true });
    if (dialect === 'deepseek-r1') return refused('refused', reply, 'logprobs');
    const { logprobs } = (await taken('given', reply)).choices[0];
    return Array.isArray(logprobs.reasoning_content) && Array.isArray(logprobs.content);
});

await check('usage of a stream', async () => {
    const chunks = async more => (await (await ask({ stream: true, ...more })).text()).split('\n\n').filter(e => e.startsWith('data: {')).map(e => JSON.parse(e.slice(6)));
    const unasked = await chunks({}), asked = await chunks({ stream_options: { include_usage: true } });
    expect('unasked', Boolean(unasked.at(-1).usage) === !openai);
    expect('asked', asked.at(-1).usage.total_tokens > 0 && asked.slice(0, -1).every(c => c.usage === null));
    return asked.at(-1).choices.length === (openai ? 0 : 1);
});

await check('models', async () => {
    const { data } = await (await send('/models')).json();
    return data.every(m => m.owned_by === 'deepseek' && m.object === 'model' && ('created' in m) === openai);
});

await check('the answer of a chat that names no length comes in spite of its reasoning', async () => {
    const { choices: [choice], usage } = await taken('whole context', ask({ max_tokens: undefined, ignore_eos: true }));
    return usage.total_tokens === 4096 && usage.completion_tokens_details.reasoning_tokens < 0.8 * usage.completion_tokens && choice.message.content.length > 0;
});

await check('a thought and its answer are continued', async () => {
    const more = { messages: [question, { role: 'assistant', content: 'Hello', reasoning_content: 'hm', prefix: true }] };
    if (dialect === 'deepseek-r1') return refused('refused', ask(more), 'must not be passed back');
    const { message } = (await taken('taken', ask(more))).choices[0];
    return message.content.length > 0 && !message.reasoning_content;
});

await check('headers', async () => {
    expect('405 says what is allowed', (await fetch(url + '/models', { method: 'DELETE' })).headers.get('allow') === 'GET, HEAD');
    expect('405 of a page', (await fetch(url + '/', { method: 'POST', body: '{}' })).headers.get('allow') === 'GET, HEAD');
    expect('405 of a POST', (await fetch(url + '/v1/chat/completions')).headers.get('allow') === 'POST');
    return (await ask()).headers.get('x-request-id').length === 36;
});

await check('what other machines may see without a key', async () => {
    expect('health', (await fetch(url + '/health')).status === 200);
    expect('metrics need a key', (await fetch(url + '/metrics')).status === 401);
    const text = await (await send('/metrics')).text();
    const names = ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage_perc', 'prefix_cache_queries', 'prefix_cache_hits', 'prompt_tokens_total',
        'generation_tokens_total', 'request_success_total', 'request_prompt_tokens_count', 'request_generation_tokens_count', 'time_to_first_token_seconds_count',
        'inter_token_latency_seconds_count', 'e2e_request_latency_seconds_count', 'request_queue_time_seconds_count', 'request_prefill_time_seconds_count',
        'request_decode_time_seconds_count'];
    for (const name of names) expect(name, text.includes(`\nvllm:${name}{model_name=`), 'missing');
    return /\nhttp_requests_total\{[^}]*status="4xx"\} [1-9]/.test(text);
});

finish();
