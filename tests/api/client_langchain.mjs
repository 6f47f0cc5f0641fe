// client_langchain.mjs - LangChain's client for DeepSeek.
import { ChatDeepSeek } from '@langchain/deepseek';
import { base, model, check, finish } from './check.mjs';

const chat = new ChatDeepSeek({ model, apiKey: 'sk-test-0123456789', temperature: 0, maxTokens: 10, maxRetries: 0, configuration: { baseURL: base + '/v1' } });

await check('invoke', async () => {
    const r = await chat.invoke('Say hi');
    return typeof r.content === 'string' && r.usage_metadata.output_tokens > 0;
});

await check('stream gives the same', async () => {
    const whole = await chat.invoke('Say hi');
    let text = '';
    for await (const part of await chat.stream('Say hi')) text += part.content;
    return text === whole.content;
});

finish();
