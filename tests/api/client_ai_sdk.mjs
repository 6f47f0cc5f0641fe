// client_ai_sdk.mjs - Vercel's provider for DeepSeek, which reads reasoning and the cache's token counts.
import { createDeepSeek } from '@ai-sdk/deepseek';
import { generateText, streamText } from 'ai';
import { base, model, check, finish } from './check.mjs';

const deepseek = createDeepSeek({ baseURL: base, apiKey: 'sk-test-0123456789' });
const options = { model: deepseek(model), prompt: 'Say hi', maxOutputTokens: 10, temperature: 0, maxRetries: 0 };

await check('generateText', async () => {
    const r = await generateText(options);
    return typeof r.text === 'string' && r.usage.outputTokens > 0 && ['stop', 'length'].includes(r.finishReason);
});

await check('streamText gives the same', async () => {
    const whole = await generateText(options), stream = streamText(options);
    let text = '';
    for await (const part of stream.textStream) text += part;
    return text === whole.text && (await stream.usage).outputTokens === whole.usage.outputTokens;
});

finish();
