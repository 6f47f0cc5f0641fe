/* server.js - the API of the server that the page came from. */
import { preference } from './preferences.js';

export class ServerError extends Error {
    constructor(status, message, retryAfter) {
        super(message);
        this.status = status; // 0: the server was not reached, or the answer broke off
        this.retryAfter = retryAfter;
    }
}

function headers(type) {
    const key = preference('key');
    const result = key ? { Authorization: `Bearer ${key}` } : {};
    if (type) result['Content-Type'] = type;
    return result;
}

export async function request(path, options = {}) {
    let response;
    try {
        response = await fetch(path, { cache: 'no-store', credentials: 'omit', ...options });
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new ServerError(0, '');
    }
    if (response.ok) return response;
    let message = '';
    try {
        message = (await response.json()).error.message;
    } catch {
        /* no envelope: the status has to do */
    }
    throw new ServerError(response.status, message || `HTTP ${response.status}`, Number(response.headers.get('Retry-After')) || 0);
}

const getJson = async (path) => (await request(path, { headers: headers() })).json();

/** Names that may be asked for. */
export async function models() {
    return (await getJson('/v1/models')).data.map((model) => model.id);
}

/** What this server offers: context, thinking, search, documents. */
export const capabilities = () => getJson('/capabilities');

/** The text of a PDF. */
export async function documentText(blob) {
    return (await request('/documents/text', { method: 'POST', headers: headers('application/pdf'), body: blob })).json();
}

const SOURCES = 8;
const QUERY_LIMIT = 128; // characters that the server takes

/** What the web has on a question: [{ title, url, summary, content }]. */
export async function searchWeb(question, signal) {
    const query = Array.from(question.replace(/\s+/g, ' ').trim()).slice(0, QUERY_LIMIT).join('');
    if (!query) return [];
    const body = JSON.stringify({ query, count: SOURCES, need_content: true });
    const { results } = await (await request('/v1/tools/search', { method: 'POST', headers: headers('application/json'), body, signal })).json();
    return results.map(({ title, url, summary, content }) => ({ title, url, summary, content: content?.slice(0, 4000) }));
}

/* The lines of a stream of events; comments and other fields mean nothing here. */
async function* eventsOf(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    while (true) {
        const { value, done } = await reader.read();
        if (done) return;
        rest += value;
        const lines = rest.split(/\r?\n/);
        rest = lines.pop();
        for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim();
    }
}

/** Calls onChunk with every chunk until the stream has ended as it should. */
export async function streamChat(body, signal, onChunk) {
    const response = await request('/beta/chat/completions', {
        method: 'POST',
        headers: headers('application/json'),
        body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
        signal,
    });
    try {
        for await (const data of eventsOf(response.body)) {
            if (data === '[DONE]') return;
            onChunk(JSON.parse(data));
        }
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new ServerError(0, '');
    }
    throw new ServerError(0, '');
}
