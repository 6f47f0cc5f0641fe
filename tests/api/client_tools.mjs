// client_tools.mjs - tools, through the clients of OpenAI and Anthropic: what must be called is called, with arguments that
// follow the schema, streamed or whole.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import Ajv from 'ajv';
import { base, model, check, expect, thrown, finish, question } from './check.mjs';

const apiKey = 'sk-test-0123456789', maxRetries = 0;
const openai = new OpenAI({ baseURL: base + '/v1', apiKey, maxRetries });
const anthropic = new Anthropic({ baseURL: base + '/anthropic', apiKey, maxRetries });

const weather = {
    type: 'object', required: ['place', 'days', 'unit'], additionalProperties: false,
    properties: { place: { type: 'string', maxLength: 12 }, days: { type: 'integer', minimum: 1, maximum: 9 }, unit: { enum: ['C', 'F'] } },
};
const switches = { type: 'object', required: ['on'], additionalProperties: false, properties: { on: { type: 'array', items: { type: 'boolean' }, maxItems: 3 } } };
const schemas = { get_weather: weather, 'set-switches': switches };
const tools = Object.entries(schemas).map(([name, parameters]) => ({ type: 'function', function: { name, description: 'About ' + name, parameters } }));
const blocks = Object.entries(schemas).map(([name, input_schema]) => ({ name, description: 'About ' + name, input_schema }));
const ask = (more = {}) => openai.chat.completions.create({ model, messages: question, max_tokens: 200, temperature: 0, tools, ...more });
const tell = (more = {}) => ({ model, messages: question, max_tokens: 200, temperature: 0, tools: blocks, ...more });
const named = name => ({ type: 'function', function: { name } });
const fits = (name, value) => name in schemas && new Ajv().validate(schemas[name], value);

await check('the function that is named is called', async () => {
    for (const name of Object.keys(schemas)) {
        const { choices: [choice] } = await ask({ tool_choice: named(name) }), calls = choice.message.tool_calls;
        expect(`named: ${name}`, calls?.length === 1 && calls[0].type === 'function' && calls[0].function.name === name &&
            /^call_[0-9a-f]+$/.test(calls[0].id) && choice.finish_reason === 'tool_calls' && !choice.message.content, JSON.stringify(choice));
        expect(`named: arguments of ${name}`, fits(name, JSON.parse(calls[0].function.arguments)), calls[0].function.arguments);
    }
});

await check('one of the functions is called', async () => {
    const seen = new Set();
    for (let seed = 0; seed < 6; seed++) {
        const { choices: [choice] } = await ask({ tool_choice: 'required', temperature: 2, seed }), { name, arguments: text } = choice.message.tool_calls[0].function;
        if (choice.finish_reason !== 'tool_calls' || !fits(name, JSON.parse(text))) throw new Error(JSON.stringify(choice));
        seen.add(name);
    }
    return seen.size > 0;
});

await check('the stream gives the same in pieces', async () => {
    const whole = (await ask({ tool_choice: named('get_weather') })).choices[0], parts = [], reasons = [];
    let text = '', usage;
    for await (const c of await ask({ tool_choice: named('get_weather'), stream: true })) {
        text += c.choices[0].delta.content ?? '';
        parts.push(...(c.choices[0].delta.tool_calls ?? []));
        reasons.push(c.choices[0].finish_reason);
        usage = c.usage ?? usage;
    }
    expect('stream: id, type and name come once', parts[0].id && parts[0].type === 'function' && parts[0].function.name === 'get_weather' &&
        parts.slice(1).every(p => !p.id && !p.type && !p.function.name) && parts.every(p => p.index === 0), JSON.stringify(parts));
    expect('stream: arguments come in pieces', parts.length > 2 && parts.map(p => p.function.arguments).join('') === whole.message.tool_calls[0].function.arguments, JSON.stringify(parts));
    expect('stream: the reason comes last', reasons.at(-1) === 'tool_calls' && reasons.slice(0, -1).every(r => r === null), reasons.join());
    return text === '' && usage.completion_tokens > 0;
});

await check("the client's own collector understands the stream", async () => {
    const stream = openai.chat.completions.stream({ model, messages: question, max_tokens: 200, temperature: 0, tools, tool_choice: named('get_weather') });
    const [choice] = (await stream.finalChatCompletion()).choices;
    return choice.finish_reason === 'tool_calls' && fits('get_weather', JSON.parse(choice.message.tool_calls[0].function.arguments));
});

await check('each of several answers is a call', async () => {
    const { choices } = await ask({ n: 3, temperature: 1.5, seed: 5, tool_choice: 'required' });
    return choices.length === 3 && new Set(choices.map(c => c.message.tool_calls[0].id)).size === 3 &&
        choices.every(c => fits(c.message.tool_calls[0].function.name, JSON.parse(c.message.tool_calls[0].function.arguments)));
});

await check('a call that is cut is text, and no call', async () => {
    const { choices: [choice] } = await ask({ tool_choice: named('get_weather'), max_tokens: 2 });
    return choice.finish_reason === 'length' && !choice.message.tool_calls && choice.message.content.includes('get_weather');
});

await check('tools are in the prompt unless none may be called', async () => {
    const tokens = async more => (await ask({ max_tokens: 1, ...more })).usage.prompt_tokens;
    const without = await tokens({ tools: undefined }), none = await tokens({ tool_choice: 'none' }), auto = await tokens({ tool_choice: 'auto' });
    return without === none && auto > none + 20 && auto === await tokens({});
});

await check('an answer without a call is an answer as ever', async () => {
    const { choices: [choice] } = await ask({ max_tokens: 8 });
    return typeof choice.message.content === 'string' && !choice.message.tool_calls && ['stop', 'length'].includes(choice.finish_reason);
});

await check('a conversation goes on behind the result', async () => {
    const first = (await ask({ tool_choice: named('get_weather') })).choices[0].message;
    const messages = [...question, first, { role: 'tool', tool_call_id: first.tool_calls[0].id, content: '{"sky":"clear"}' }];
    const { choices: [choice], usage } = await ask({ messages, max_tokens: 6 });
    return choice.message.role === 'assistant' && usage.completion_tokens > 0;
});

await check('a function without parameters has none', async () => {
    const r = await ask({ tools: [{ type: 'function', function: { name: 'now' } }], tool_choice: 'required' });
    return Object.keys(JSON.parse(r.choices[0].message.tool_calls[0].function.arguments)).length === 0;
});

await check('errors', async () => {
    const bad = async (more, words) => {
        const error = await thrown(() => ask(more));
        expect(`error: ${words}`, error instanceof OpenAI.BadRequestError && error.message.includes(words), error.message);
    };
    const tool = f => ({ tools: [{ type: 'function', function: f }] });
    await bad(tool({ name: 'a b' }), 'tools[0].function.name');
    await bad(tool({ name: 'n'.repeat(65) }), 'tools[0].function.name');
    await bad(tool({ name: 'f', parameters: 5 }), 'tools[0].function.parameters');
    await bad(tool({ name: 'f', strict: true, parameters: { type: 'object', not: {} } }), 'not');
    await bad({ tools: Array(129).fill(tools[0]) }, 'at most 128');
    await bad({ tools: [{ type: 'magic' }] }, 'tools[0]');
    await bad({ tool_choice: 'sometimes' }, 'tool_choice');
    await bad({ tool_choice: { type: 'function' } }, 'tool_choice');
    await bad({ tool_choice: named('unknown') }, 'there is no tool "unknown"');
    await bad({ tools: undefined, tool_choice: 'required' }, 'there are no tools');
    const error = await thrown(() => anthropic.messages.create(tell({ tool_choice: { type: 'tool', name: 'unknown' } })));
    expect('error: in messages', error instanceof Anthropic.BadRequestError && error.message.includes('unknown'), error.message);
});

await check('messages: a block of tool_use', async () => {
    const r = await anthropic.messages.create(tell({ tool_choice: { type: 'tool', name: 'get_weather' } }));
    expect('messages: its input', r.content.length === 1 && r.content[0].type === 'tool_use' && r.content[0].name === 'get_weather' &&
        r.content[0].id.startsWith('toolu_') && fits('get_weather', r.content[0].input), JSON.stringify(r));
    const messages = [...question, { role: 'assistant', content: r.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: r.content[0].id, content: 'clear' }] }];
    const next = await anthropic.messages.create(tell({ messages, max_tokens: 4 }));
    return r.stop_reason === 'tool_use' && next.usage.output_tokens > 0;
});

await check('messages: the stream gives the same', async () => {
    const whole = await anthropic.messages.create(tell({ tool_choice: { type: 'any' } }));
    const stream = anthropic.messages.stream(tell({ tool_choice: { type: 'any' } })), kinds = [];
    for await (const e of stream) if (e.type === 'content_block_delta') kinds.push(e.delta.type);
    const last = await stream.finalMessage();
    return kinds.length > 1 && kinds.every(k => k === 'input_json_delta') && last.stop_reason === 'tool_use' &&
        last.content[0].name === whole.content[0].name && JSON.stringify(last.content[0].input) === JSON.stringify(whole.content[0].input);
});

finish();
