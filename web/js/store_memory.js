/* store_memory.js - the same as store.js where the browser stores nothing: it lasts as long as the page. */
export function makeMemoryStore() {
    const chats = new Map();
    const messages = new Map();
    const all = (test) => [...messages.values()].filter(test);
    return {
        chats: async () => [...chats.values()],
        messages: async (chat) => all((message) => message.chat === chat),
        running: async () => [],
        message: async (id) => messages.get(id),
        putMessage: async (message) => void messages.set(message.id, message),
        putChat: async (chat) => void chats.set(chat.id, chat),
        async putAll(newChats, newMessages) {
            for (const chat of newChats) chats.set(chat.id, chat);
            for (const message of newMessages) messages.set(message.id, message);
        },
        async deleteChat(id) {
            chats.delete(id);
            for (const message of all((one) => one.chat === id)) messages.delete(message.id);
        },
        async deleteAll() {
            chats.clear();
            messages.clear();
        },
        async scan(visit) {
            for (const message of messages.values()) if (visit(message) === false) return;
        },
        onChange() {},
    };
}
