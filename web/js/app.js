/* app.js - the chats and what can be done with them. It holds the state; views show it and hear of changes by events:
 * "chats" (the list), "chat" (another chat or branch is shown), "message" (one of the shown changed), "offers". */
import { newId } from './dom.js';
import { Tree } from './tree.js';
import { Runs } from './run.js';
import * as server from './server.js';
import { preference, setPreference } from './preferences.js';
import { setServedPrices } from './money.js';
import { announce, toast } from './notices.js';
import { exportText, download, importText } from './transfer.js';
import { isZip, textFromZip } from './zip.js';
import { t } from './text.js';

const TITLE_LENGTH = 80;
const PRICES_FRESH = 60000; // milliseconds

/* chat.deepseek.com hands its export out as an archive. */
async function textOf(file) {
    if (!(await isZip(file))) return file.text();
    return textFromZip(file, /(^|\/)conversations\.json$/);
}

export class App extends EventTarget {
    constructor(store) {
        super();
        this.store = store;
        this.runs = new Runs(store);
        this.chats = new Map();
        this.models = [];
        this.offers = null; // what the server says it can do
        this.chat = null; // null: a new one that has no message yet
        this.tree = new Tree();
        this.fresh = {}; // settings of the chat that is not there yet
        this.runs.addEventListener('start', (event) => {
            this.onRun(event.detail);
            this.tell('chats'); // those that stream are marked
        });
        this.runs.addEventListener('update', (event) => this.onRun(event.detail));
        this.runs.addEventListener('end', (event) => this.onRunEnd(event.detail));
        this.store.onChange(() => this.reload());
    }

    tell(type, detail) {
        this.dispatchEvent(new CustomEvent(type, { detail }));
    }

    /* ---- beginning ---- */

    async reload() {
        const chats = await this.store.chats();
        this.chats = new Map(chats.map((chat) => [chat.id, chat]));
        if (this.chat && this.chats.has(this.chat.id)) this.chat = this.chats.get(this.chat.id);
        this.tell('chats');
    }

    /** Asks the server what it is. False: it wants a key. */
    async connect() {
        try {
            [this.models, this.offers] = await Promise.all([server.models(), server.capabilities()]);
        } catch (error) {
            if (error.status === 401) return false;
            toast(this.errorText({ status: error.status, text: error.message }), { alert: true });
        }
        this.takePrices();
        this.tell('offers');
        return true;
    }

    takePrices() {
        this.priced = Date.now();
        setServedPrices(this.offers?.prices);
    }

    /** Prices change with the hour. */
    async renewPrices() {
        if (!this.offers?.prices || Date.now() - this.priced < PRICES_FRESH) return;
        try {
            this.offers = await server.capabilities();
            this.takePrices();
        } catch {
            /* those that are known stay */
        }
    }

    get model() {
        const chosen = this.chat?.model || preference('model');
        if (this.models.includes(chosen)) return chosen;
        return this.models[0] || '';
    }

    setModel(model) {
        setPreference('model', model);
        if (this.chat) this.changeChat(this.chat, { model });
        this.tell('offers');
    }

    get thinks() {
        return this.offers?.thinking !== false;
    }

    get searches() {
        return Boolean(this.offers?.search?.available);
    }

    /** Answers whose page was closed while they came go on behind their last word. */
    async resume() {
        for (const message of await this.runs.orphans()) {
            const chat = this.chats.get(message.chat);
            if (!chat || this.runs.isRunning(message.id)) continue;
            const tree = chat === this.chat ? this.tree : new Tree(await this.store.messages(chat.id));
            const target = tree.get(message.id);
            if (!target) continue;
            if (chat === this.chat) announce(t('resumed'));
            this.runs.start(chat, tree.path(target.parent), target);
        }
    }

    /* ---- which chat is shown ---- */

    get path() {
        return this.chat ? this.tree.path(this.chat.leaf) : [];
    }

    get system() {
        return this.chat ? this.chat.system : (this.fresh.system ?? preference('system'));
    }

    get sampling() {
        return this.chat ? this.chat.sampling || {} : (this.fresh.sampling ?? preference('sampling'));
    }

    async open(id) {
        if (!id || !this.chats.has(id)) {
            this.chat = null;
            this.tree = new Tree();
            this.fresh = {};
        } else {
            const messages = await this.store.messages(id);
            this.chat = this.chats.get(id);
            // What is streaming is newer in memory than in the store.
            this.tree = new Tree(messages.map((message) => this.runs.active.get(message.id)?.message || message));
            if (!this.tree.get(this.chat.leaf)) this.chat.leaf = this.tree.newestLeaf();
        }
        this.tell('chat', { keepPlace: false });
    }

    isLeaf(message) {
        return this.chat?.leaf === message.id;
    }

    /* ---- chats ---- */

    async changeChat(chat, changes) {
        Object.assign(chat, changes);
        await this.store.putChat(chat);
        this.tell('chats');
    }

    setChatSettings({ system, sampling }) {
        if (this.chat) this.changeChat(this.chat, { system, sampling });
        else this.fresh = { system, sampling };
    }

    async makeChat(title) {
        const now = Date.now();
        const chat = { id: newId(), title, created: now, updated: now, pinned: false, leaf: null, system: this.system, sampling: this.sampling, model: this.model };
        this.chats.set(chat.id, chat);
        this.chat = chat;
        this.tree = new Tree();
        await this.store.putChat(chat);
        return chat;
    }

    async deleteChat(chat) {
        this.runs.stop(chat.id);
        const messages = await this.store.messages(chat.id);
        await this.store.deleteChat(chat.id);
        this.chats.delete(chat.id);
        this.tell('chats');
        if (this.chat === chat) location.hash = '';
        const undo = async () => {
            await this.store.putAll([chat], messages);
            await this.reload();
            location.hash = `#/chat/${chat.id}`;
        };
        toast(t('deleted', { title: chat.title || t('untitled') }), { undo });
    }

    async everything() {
        const chats = await this.store.chats();
        const messages = (await Promise.all(chats.map((chat) => this.store.messages(chat.id)))).flat();
        return { chats, messages };
    }

    async deleteAll() {
        const { chats, messages } = await this.everything();
        for (const chat of chats) this.runs.stop(chat.id);
        await this.store.deleteAll();
        await this.reload();
        location.hash = '';
        const undo = async () => {
            await this.store.putAll(chats, messages);
            await this.reload();
        };
        toast(t('allDeleted'), { undo });
    }

    async exportChats(chat) {
        const { chats, messages } = chat ? { chats: [chat], messages: await this.store.messages(chat.id) } : await this.everything();
        const name = chat ? (chat.title || 'chat').replace(/[^\p{L}\p{N} _-]+/gu, '').trim().slice(0, 40) || 'chat' : 'hadal-chats';
        download(`${name}.json`, exportText(chats, messages));
    }

    async importFile(file) {
        let found = { chats: [], messages: [] };
        try {
            found = importText(await textOf(file));
        } catch {
            /* no JSON: nothing was found */
        }
        const { chats, messages } = found;
        if (chats.length === 0) {
            toast(t('importNothing'), { alert: true });
            return;
        }
        await this.store.putAll(chats, messages);
        await this.reload();
        toast(t('imported', { chats: chats.length, messages: messages.length }));
    }

    /* ---- messages ---- */

    async addMessage(fields) {
        const last = this.tree.get(fields.parent);
        const created = Math.max(Date.now(), (last?.created || 0) + 1);
        const message = { id: newId(), chat: this.chat.id, created, content: '', ...fields };
        this.tree.add(message);
        this.chat.leaf = message.id;
        this.chat.updated = created;
        await this.store.putMessage(message);
        await this.changeChat(this.chat, {});
        return message;
    }

    async answer(parent) {
        const { chat } = this;
        const message = await this.addMessage({ parent: parent.id, role: 'assistant', model: this.model, thinking: preference('thinking') && this.thinks, search: preference('search') && this.searches, state: 'streaming' });
        const path = this.tree.path(parent.id);
        this.tell('chat', { keepPlace: false });
        this.renewPrices();
        await this.runs.start(chat, path, message);
    }

    /** The user's message; `parent`: an earlier one of his is replaced by this one, as another branch. */
    async send(content, files, replaced) {
        if (this.chat && this.runs.of(this.chat.id)) return;
        const made = !this.chat;
        if (made) await this.makeChat((content || files[0]?.name || '').replace(/\s+/g, ' ').trim().slice(0, TITLE_LENGTH));
        const parent = replaced ? replaced.parent : this.chat.leaf;
        const message = await this.addMessage({ parent: parent || null, role: 'user', content, files: files?.length ? files : undefined, state: 'done' });
        if (made) {
            this.tell('made');
            history.replaceState(null, '', `#/chat/${this.chat.id}`);
        }
        await this.answer(message);
    }

    async regenerate(message) {
        const parent = this.tree.get(message.parent);
        if (parent && !this.runs.of(this.chat.id)) await this.answer(parent);
    }

    /** Goes on behind the last word; also after an error. */
    async continueAnswer(message) {
        if (this.runs.of(this.chat.id)) return;
        await this.runs.start(this.chat, this.tree.path(message.parent), message);
    }

    async editMessage(message, content) {
        if (message.role === 'user') {
            await this.send(content, message.files, message);
            return;
        }
        await this.addMessage({ parent: message.parent, role: 'assistant', content, reasoning: message.reasoning, model: message.model, thinking: message.thinking, spent: message.spent, state: 'done' });
        this.tell('chat', { keepPlace: true });
    }

    /** Shows another branch. */
    async pick(id) {
        await this.changeChat(this.chat, { leaf: this.tree.leafBelow(id) });
        this.tell('chat', { keepPlace: true });
    }

    stop() {
        if (this.chat) this.runs.stop(this.chat.id);
    }

    /* ---- what runs say ---- */

    onRun(message) {
        if (this.chat?.id === message.chat) this.tell('message', message);
    }

    onRunEnd(message) {
        this.onRun(message);
        this.tell('chats');
        if (this.chat?.id !== message.chat) return;
        if (message.state === 'stopped') announce(t('answerStopped'));
        else if (message.state !== 'error') announce(`${t('complete')} ${message.content}`); // an error is an alert by itself
        if (message.error?.status === 401) this.tell('key', t('keyWrong'));
    }

    errorText(error) {
        if (error.status === 0) return t('unreachable');
        if (error.status === 503 || error.status === 429) return `${t('busy')} ${error.text}`;
        if (error.status === 402) return t('noBalance');
        if (error.status === 401) return t('keyWrong');
        return t('failed', { reason: error.text });
    }
}
