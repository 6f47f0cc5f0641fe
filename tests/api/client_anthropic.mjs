// client_anthropic.mjs - Anthropic's own client against the server.
import Anthropic from '@anthropic-ai/sdk';
import { base, model, check, expect, thrown, finish, question } from './check.mjs';

const client = new Anthropic({ baseURL: base + '/anthropic', apiKey: 'sk-test-0123456789', maxRetries: 0 });
const ask = (more = {}) => client.messages.create({ model, max_tokens: 10, temperature: 0, messages: question, ...more });

await check('a message', async () => {
    const r = await ask();
    expect('a message: object', r.type === 'message' && r.role === 'assistant' && r.id.startsWith('msg_') && r.content[0].type === 'text', JSON.stringify(r));
    expect('a message: usage', r.usage.output_tokens > 0 && r.usage.output_tokens <= 10 && r.usage.input_tokens + r.usage.cache_read_input_tokens > 0);
    return ['end_turn', 'max_tokens'].includes(r.stop_reason);
});

await check('the stream gives the same', async () => {
    const whole = await ask(), stream = client.messages.stream({ model, max_tokens: 10, temperature: 0, messages: question });
    let text = '';
    for await (const e of stream) if (e.type === 'content_block_delta') text += e.delta.text ?? '';
    const last = await stream.finalMessage();
    return text === whole.content[0].text && last.stop_reason === whole.stop_reason && last.usage.output_tokens === whole.usage.output_tokens;
});

await check('blocks, system and names of other models', async () => {
    const r = await ask({
        model: 'claude-opus-4', system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }], metadata: { user_id: 'a user' },
        messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] }, { role: 'assistant', content: 'c' }, { role: 'user', content: 'd' }],
    });
    return r.content.length === 1;
});

await check('stop sequences are named', async () => {
    const r = await ask({ max_tokens: 64, stop_sequences: ['e', ' '] });
    return r.stop_reason === 'stop_sequence' && ['e', ' '].includes(r.stop_sequence) && !/[e ]/.test(r.content[0].text);
});

await check('errors are those that the client has types for', async () => {
    const bad = async (more, words) => {
        const error = await thrown(() => ask(more));
        expect(`error: ${words}`, error instanceof Anthropic.BadRequestError && error.message.includes(words) &&
            error.error.type === 'error' && error.error.error.type === 'invalid_request_error', error.message);
    };
    await bad({ model: 'nonsense' }, 'Model Not Exist');
    await bad({ messages: [] }, 'at least one message');
    await bad({ max_tokens: 0 }, 'max_tokens');
    await bad({ messages: [{ role: 'system', content: 'x' }] }, 'role');
    await bad({ messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }, 'not supported');
    const stranger = new Anthropic({ baseURL: base + '/anthropic', apiKey: 'sk-wrong-key-1234', maxRetries: 0 });
    const error = await thrown(() => stranger.messages.create({ model, max_tokens: 1, messages: question }));
    expect('error: wrong key', error instanceof Anthropic.AuthenticationError && error.error.error.type === 'authentication_error', error.message);
});

finish();
