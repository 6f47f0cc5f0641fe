/* transfer.js - chats as files: our own form, and the history that chat.deepseek.com exports. What is read was written by
 * anybody: every field is checked, and what does not fit is left out. */
import { newId } from './dom.js';
import { Tree } from './tree.js';

const FORMAT = 'hadal-chats';

export function exportText(chats, messages) {
    return JSON.stringify({ format: FORMAT, version: 1, exported: new Date().toISOString(), chats, messages }, null, 1);
}

export function download(name, text, type = 'application/json') {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const text = (value) => (typeof value === 'string' ? value : '');
const time = (value) => {
    const result = typeof value === 'number' ? value : Date.parse(value);
    return Number.isFinite(result) ? result : Date.now();
};

/* ---- our own ---- */

function ownFiles(files) {
    if (!Array.isArray(files)) return undefined;
    return files.filter((file) => text(file?.name) && text(file?.text)).map(({ name, text: content }) => ({ name, text: content }));
}

function ownSources(sources) {
    if (!Array.isArray(sources)) return undefined;
    return sources.map((source) => ({ title: text(source?.title), url: text(source?.url), summary: text(source?.summary), content: text(source?.content) }));
}

function readOwn(data) {
    const chats = [];
    const messages = [];
    const chatIds = new Map(); // an import never overwrites: all get new names
    const messageIds = new Map();
    for (const chat of Array.isArray(data.chats) ? data.chats : []) {
        if (!text(chat?.id) || chatIds.has(chat.id)) continue;
        chatIds.set(chat.id, newId());
        chats.push({ id: chatIds.get(chat.id), title: text(chat.title), created: time(chat.created), updated: time(chat.updated), pinned: chat.pinned === true, leaf: chat.leaf, system: text(chat.system), sampling: { ...chat.sampling }, model: text(chat.model) });
    }
    const kept = (Array.isArray(data.messages) ? data.messages : []).filter((message) => text(message?.id) && chatIds.has(message.chat) && ['user', 'assistant'].includes(message.role));
    for (const message of kept) messageIds.set(message.id, newId());
    for (const message of kept) {
        messages.push({
            id: messageIds.get(message.id),
            chat: chatIds.get(message.chat),
            parent: messageIds.get(message.parent) || null,
            role: message.role,
            created: time(message.created),
            content: text(message.content),
            reasoning: text(message.reasoning) || undefined,
            files: ownFiles(message.files),
            model: text(message.model),
            thinking: message.thinking === true,
            sources: ownSources(message.sources),
            state: 'done',
            usage: typeof message.usage === 'object' ? message.usage : undefined,
            cost: typeof message.cost?.amount === 'number' ? { amount: message.cost.amount, currency: text(message.cost.currency) } : undefined,
            spent: typeof message.spent === 'object' ? message.spent : undefined,
            reasoningPieces: Number(message.reasoningPieces) || undefined,
            speed: Number(message.speed) || undefined,
        });
    }
    for (const chat of chats) chat.leaf = messageIds.get(chat.leaf) || null;
    return { chats, messages };
}

/* ---- chat.deepseek.com: an array of conversations, each a map of nodes from "root" on ---- */

function readNode(node, chat, id, parent) {
    const message = node.message;
    const parts = { REQUEST: [], THINK: [], RESPONSE: [] };
    for (const fragment of Array.isArray(message.fragments) ? message.fragments : [])
        if (parts[fragment?.type] && text(fragment.content)) parts[fragment.type].push(fragment.content);
    // Older exports have the text in the message itself.
    const plain = text(message.content);
    const user = parts.REQUEST.length > 0 || (plain && text(message.role).toUpperCase() === 'USER');
    const content = user ? parts.REQUEST.join('\n\n') || plain : parts.RESPONSE.join('\n\n') || plain;
    const reasoning = parts.THINK.join('\n\n') || text(message.reasoning_content) || text(message.thinking_content);
    if (!content && !reasoning) return null;
    return { id, chat, parent, role: user ? 'user' : 'assistant', created: time(message.inserted_at), content, reasoning: user ? undefined : reasoning || undefined, model: text(message.model), thinking: Boolean(reasoning), state: 'done' };
}

function readConversation(conversation) {
    const nodes = conversation.mapping;
    const chat = { id: newId(), title: text(conversation.title), created: time(conversation.inserted_at), updated: time(conversation.updated_at), pinned: false, leaf: null, system: '', sampling: {}, model: '' };
    const messages = [];
    const seen = new Set();
    const waiting = [['root', null]];
    while (waiting.length > 0) {
        const [key, parent] = waiting.shift();
        const node = Object.hasOwn(nodes, key) ? nodes[key] : null;
        if (!node || seen.has(key)) continue;
        seen.add(key);
        const message = node.message ? readNode(node, chat.id, newId(), parent) : null;
        if (message) messages.push(message);
        for (const child of Array.isArray(node.children) ? node.children : []) waiting.push([child, message ? message.id : parent]);
    }
    messages.forEach((message, i) => (message.created += i / 1000)); // siblings of one second keep their order
    chat.leaf = new Tree(messages).newestLeaf();
    return messages.length > 0 ? { chat, messages } : null;
}

function readDeepSeek(data) {
    const read = data.filter((conversation) => conversation?.mapping && typeof conversation.mapping === 'object').map(readConversation).filter(Boolean);
    return { chats: read.map((one) => one.chat), messages: read.flatMap((one) => one.messages) };
}

/** { chats, messages }, ready for the store; empty when the file holds none. */
export function importText(content) {
    const data = JSON.parse(content);
    if (Array.isArray(data)) return readDeepSeek(data);
    if (data?.format === FORMAT) return readOwn(data);
    if (data?.mapping) return readDeepSeek([data]);
    return { chats: [], messages: [] };
}
