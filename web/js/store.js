/* store.js - chats and messages in the browser's database.
 *
 * chats: { id, title, created, updated, pinned, leaf, system, sampling, model }
 * messages: { id, chat, parent, role, created, content, reasoning, files, ... }, a tree by `parent`. A message that is being
 * streamed has `running: 1`, by which it is found again when the page was closed in the middle. */
const VERSION = 1;

function promise(request) {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}

function finished(transaction) {
    return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
}

function upgrade(database) {
    database.createObjectStore('chats', { keyPath: 'id' });
    const messages = database.createObjectStore('messages', { keyPath: 'id' });
    messages.createIndex('chat', 'chat');
    messages.createIndex('running', 'running');
}

export async function openStore() {
    const request = indexedDB.open('hadal', VERSION);
    request.onupgradeneeded = () => upgrade(request.result);
    return makeStore(await promise(request));
}

function makeStore(database) {
    const channel = 'BroadcastChannel' in window ? new BroadcastChannel('hadal') : null;
    const write = (names, work) => {
        const transaction = database.transaction(names, 'readwrite');
        work(...names.map((name) => transaction.objectStore(name)));
        return finished(transaction);
    };
    const read = (name) => database.transaction(name).objectStore(name);
    const tell = (chat) => channel?.postMessage({ chat });
    const both = ['chats', 'messages'];

    const eraseMessages = (messages, chat) => {
        messages.index('chat').openKeyCursor(chat).onsuccess = (event) => {
            const cursor = event.target.result;
            if (!cursor) return;
            messages.delete(cursor.primaryKey);
            cursor.continue();
        };
    };

    return {
        chats: () => promise(read('chats').getAll()),
        messages: (chat) => promise(read('messages').index('chat').getAll(chat)),
        running: () => promise(read('messages').index('running').getAll(1)),
        message: (id) => promise(read('messages').get(id)),

        putMessage: (message) => write(['messages'], (messages) => messages.put(message)),
        async putChat(chat) {
            await write(['chats'], (chats) => chats.put(chat));
            tell(chat.id);
        },
        /** Many at once: an import, or what was deleted and is wanted back. */
        async putAll(chats, messages) {
            await write(both, (chatStore, messageStore) => {
                for (const chat of chats) chatStore.put(chat);
                for (const message of messages) messageStore.put(message);
            });
            tell(null);
        },
        async deleteChat(id) {
            await write(both, (chats, messages) => {
                chats.delete(id);
                eraseMessages(messages, id);
            });
            tell(id);
        },
        async deleteAll() {
            await write(both, (chats, messages) => {
                chats.clear();
                messages.clear();
            });
            tell(null);
        },
        /** Chats with the words in a message: visit(message) until it returns false. */
        scan(visit) {
            return new Promise((resolve, reject) => {
                const request = read('messages').openCursor();
                request.onerror = () => reject(request.error);
                request.onsuccess = () => {
                    const cursor = request.result;
                    if (!cursor || visit(cursor.value) === false) resolve();
                    else cursor.continue();
                };
            });
        },
        onChange(listener) {
            if (channel) channel.onmessage = (event) => listener(event.data.chat);
        },
    };
}
