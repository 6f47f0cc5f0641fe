// client_responses.mjs - the Responses API through OpenAI's own client: items, numbered events, tools, schemas.
import OpenAI from 'openai';
import Ajv from 'ajv';
import { base, model, check, expect, thrown, finish, question } from './check.mjs';

const client = new OpenAI({ baseURL: base + '/v1', apiKey: 'sk-test-0123456789', maxRetries: 0 });
const ask = (more = {}) => client.responses.create({ model, input: 'Say hi', max_output_tokens: 12, temperature: 0, ...more });
const events = async more => {
    const list = [];
    for await (const e of await ask({ ...more, stream: true })) list.push(e);
    return list;
};
const schema = { type: 'object', required: ['n', 'ok'], additionalProperties: false, properties: { n: { type: 'integer', minimum: 0, maximum: 99 }, ok: { type: 'boolean' } } };
const tools = [{ type: 'function', name: 'report', description: 'Reports.', parameters: schema, strict: true }];

await check('a response', async () => {
    const r = await ask(), [item] = r.output, u = r.usage;
    expect('a response: object', r.object === 'response' && r.id.startsWith('resp_') && r.model === model && r.error === null && r.store === false, JSON.stringify(r));
    expect('a response: a message', r.output.length === 1 && item.type === 'message' && item.role === 'assistant' && item.content[0].type === 'output_text' &&
        item.content[0].text === r.output_text && r.output_text.length > 0, JSON.stringify(r.output));
    expect('a response: usage', u.total_tokens === u.input_tokens + u.output_tokens && u.output_tokens <= 12 && u.input_tokens_details.cached_tokens >= 0);
    return r.status === 'completed' || (r.status === 'incomplete' && r.incomplete_details.reason === 'max_output_tokens' && item.status === 'incomplete');
});

await check('it says what a chat says', async () => {
    const chat = await client.chat.completions.create({ model, messages: [{ role: 'system', content: 'Be brief.' }, ...question], max_tokens: 12, temperature: 0 });
    const one = await ask({ instructions: 'Be brief.' });
    const two = await ask({ input: [{ role: 'developer', content: 'Be brief.' }, { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Say hi' }] }] });
    return one.output_text === chat.choices[0].message.content && two.output_text === one.output_text && one.usage.input_tokens === chat.usage.prompt_tokens;
});

await check('the stream gives the same in numbered events', async () => {
    const whole = await ask(), list = await events(), names = list.map(e => e.type.replace('response.', ''));
    const deltas = list.filter(e => e.type === 'response.output_text.delta'), last = list.at(-1);
    expect('stream: numbers', list.every((e, i) => e.sequence_number === i));
    expect('stream: order', names.filter((n, i) => n !== names[i - 1]).join() === 'created,in_progress,output_item.added,content_part.added,output_text.delta,' +
        'output_text.done,content_part.done,output_item.done,' + whole.status, names.join());
    expect('stream: text', deltas.map(e => e.delta).join('') === whole.output_text && list.find(e => e.type === 'response.output_text.done').text === whole.output_text);
    expect('stream: one item', new Set(list.filter(e => e.item_id).map(e => e.item_id)).size === 1 && last.response.output[0].id === deltas[0].item_id);
    return JSON.stringify(last.response.output.map(o => o.content)) === JSON.stringify(whole.output.map(o => o.content)) && last.response.usage.output_tokens === whole.usage.output_tokens;
});

await check("the client's own collector understands the stream", async () => {
    const stream = client.responses.stream({ model, input: 'Say hi', max_output_tokens: 12, temperature: 0 });
    let text = '';
    stream.on('response.output_text.delta', e => text += e.delta);
    const last = await stream.finalResponse();
    return text.length > 0 && last.output_text === text;
});

await check('a function is called and its result taken', async () => {
    const more = { tools, tool_choice: { type: 'function', name: 'report' }, max_output_tokens: 100 }, r = await ask(more), [call] = r.output;
    expect('a call', r.status === 'completed' && call.type === 'function_call' && call.name === 'report' && call.call_id.startsWith('call_') &&
        new Ajv().validate(schema, JSON.parse(call.arguments)), JSON.stringify(r.output));
    const list = await events(more), deltas = list.filter(e => e.type === 'response.function_call_arguments.delta');
    expect('a call: the stream', deltas.length > 1 && deltas.map(e => e.delta).join('') === call.arguments &&
        list.find(e => e.type === 'response.function_call_arguments.done').arguments === call.arguments && list.at(-1).response.output[0].arguments === call.arguments);
    const next = await ask({ tools, input: [...question, call, { type: 'function_call_output', call_id: call.call_id, output: 'done' }], max_output_tokens: 4 });
    return next.usage.output_tokens > 0;
});

await check('text follows a schema', async () => {
    const r = await ask({ text: { format: { type: 'json_schema', name: 'n', strict: true, schema } }, max_output_tokens: 100 });
    return r.status === 'completed' && new Ajv().validate(schema, JSON.parse(r.output_text));
});

await check('reasoning is an item of its own', async () => {
    const input = [{ type: 'reasoning', id: 'rs_1', summary: [] }, ...question];
    return (await ask({ input, reasoning: { effort: 'none' } })).output.every(o => o.type !== 'reasoning');
});

await check('errors', async () => {
    const bad = async (more, words) => {
        const error = await thrown(() => ask(more));
        expect(`error: ${words}`, error instanceof OpenAI.BadRequestError && error.message.includes(words), error.message);
    };
    await bad({ input: undefined }, 'input');
    await bad({ input: 5 }, 'input');
    await bad({ input: [{ type: 'magic' }] }, 'input[0]');
    await bad({ input: [{ type: 'function_call', name: 'f' }] }, 'call_id');
    await bad({ input: [{ type: 'function_call_output', call_id: 'c' }] }, 'function_call_output');
    await bad({ instructions: 5 }, 'instructions');
    await bad({ tool_choice: 'required' }, 'there are no tools');
    await bad({ text: { format: { type: 'verse' } } }, 'text.format.type');
    await bad({ max_output_tokens: 0 }, 'max_output_tokens');
    await bad({ temperature: 3 }, 'temperature');
});

finish();
