/* prompt.js - from a path of messages to the body of a request. Files are written as DeepSeek published it. */
import { withSources } from './search_prompt.js';

function withFiles(message) {
    const files = (message.files || []).map((file) => `[file name]: ${file.name}\n[file content begin]\n${file.text}\n[file content end]\n`);
    return files.join('') + message.content;
}

/** What of the settings of a chat was given, as numbers. */
function samplingOf(sampling = {}) {
    const result = {};
    for (const name of ['temperature', 'top_p', 'max_tokens', 'seed']) {
        const value = sampling[name];
        if (value !== undefined && value !== '' && Number.isFinite(Number(value))) result[name] = Number(value);
    }
    return result;
}

/** The answer that `message` begins is asked for with path, the messages before it. */
export function requestBody(chat, path, message) {
    const messages = [];
    const system = (chat.system || '').trim();
    if (system) messages.push({ role: 'system', content: system });
    for (const earlier of path) {
        if (earlier.role === 'user') messages.push({ role: 'user', content: withFiles(earlier) }); // without what was found then
        else if (earlier.content) messages.push({ role: 'assistant', content: earlier.content });
    }
    const question = messages.at(-1);
    if (message.sources?.length && question?.role === 'user') question.content = withSources(question.content, message.sources);
    // An answer that has begun goes on behind its last word; its reasoning is over once it has said something.
    let thinking = message.thinking;
    if (message.content) {
        messages.push({ role: 'assistant', content: message.content, prefix: true });
        thinking = false;
    } else if (message.reasoning && thinking) {
        messages.push({ role: 'assistant', content: '', reasoning_content: message.reasoning, prefix: true });
    }
    return {
        model: message.model || undefined,
        messages,
        thinking: { type: thinking ? 'enabled' : 'disabled' },
        ...samplingOf(chat.sampling),
    };
}

/** Tokens of a text, roughly: DeepSeek's rule of thumb. */
export function roughTokens(text) {
    const wide = (text.match(/[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]/g) || []).length;
    return Math.ceil(wide * 0.6 + (text.length - wide) * 0.3);
}
