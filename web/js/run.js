/* run.js - answers that are on their way. Any number of chats stream at once, whichever is shown.
 *
 * The partial answer is stored as it comes. While it runs, a lock with its name is held, so that a page that opens later
 * can tell an answer that broke off from one that another tab is still receiving. */
import { streamChat, searchWeb, ServerError } from './server.js';
import { requestBody } from './prompt.js';
import { costNow } from './money.js';

const STORE_EVERY = 400; // milliseconds

export class Runs extends EventTarget {
    constructor(store) {
        super();
        this.store = store;
        this.active = new Map(); // message id -> { controller, message }
    }

    of(chat) {
        for (const run of this.active.values()) if (run.message.chat === chat) return run;
        return null;
    }

    isRunning(id) {
        return this.active.has(id);
    }

    stop(chat) {
        this.of(chat)?.controller.abort();
    }

    tell(type, message) {
        this.dispatchEvent(new CustomEvent(type, { detail: message }));
    }

    /** Streams into `message`, which is in the store's form and may have begun already. */
    async start(chat, path, message) {
        const controller = new AbortController();
        const run = { controller, message };
        this.active.set(message.id, run);
        message.running = 1;
        message.state = 'streaming';
        delete message.error;
        await this.store.putMessage(message);
        this.tell('start', message);
        const work = () => this.receive(run, chat, path);
        if (navigator.locks) await navigator.locks.request(`answer ${message.id}`, work);
        else await work();
    }

    /* Once for an answer, whatever interrupts it later. */
    async findSources({ message, controller }, path) {
        if (!message.search || message.sources) return;
        message.searching = true;
        this.tell('update', message);
        try {
            message.sources = await searchWeb(path.at(-1)?.content || '', controller.signal);
            message.searched = true;
        } finally {
            message.searching = false;
        }
        await this.store.putMessage(message);
        this.tell('update', message);
    }

    async receive(run, chat, path) {
        const { message, controller } = run;
        const clock = { begun: performance.now(), thought: message.spent?.thinking || 0, answered: message.spent?.answer || 0, first: 0, answer: 0 };
        const earlier = message.usage; // of the part before, when the answer is continued
        const paid = message.cost?.amount || 0; // for it
        const searched = Boolean(message.searched);
        let stored = 0;
        try {
            await this.findSources(run, path);
            clock.begun = performance.now();
            await streamChat(requestBody(chat, path, message), controller.signal, (chunk) => {
                take(message, chunk, clock);
                if (chunk.usage) addCost(message, paid, message.searched && !searched ? 1 : 0);
                this.tell('update', message);
                const now = performance.now();
                if (now - stored > STORE_EVERY) {
                    stored = now;
                    this.store.putMessage(message);
                }
            });
            message.state = message.finish === 'length' ? 'length' : 'done';
        } catch (error) {
            if (error.name === 'AbortError') {
                message.state = 'stopped';
            } else {
                message.state = 'error';
                message.error = { status: error instanceof ServerError ? error.status : -1, text: error.message };
            }
        }
        if (message.usage === earlier) delete message.speed;
        delete message.running;
        this.active.delete(message.id);
        await this.store.putMessage(message);
        this.tell('end', message);
    }

    /** Answers that broke off because their page was closed. */
    async orphans() {
        const running = await this.store.running();
        if (running.length === 0 || !navigator.locks) return running;
        const { held } = await navigator.locks.query();
        const names = new Set(held.map((lock) => lock.name));
        return running.filter((message) => !names.has(`answer ${message.id}`));
    }
}

/* Prices may change later: what it costs is kept with the answer. */
function addCost(message, paid, searches) {
    const cost = costNow(message.usage, message.model, searches);
    if (cost) message.cost = { ...cost, amount: cost.amount + paid };
}

/* One chunk of the stream. Times are those at which reasoning and answer came. */
function take(message, chunk, clock) {
    const choice = chunk.choices?.[0];
    const delta = choice?.delta || {};
    const now = performance.now();
    if (delta.reasoning_content) {
        clock.reasoned = true;
        message.reasoning = (message.reasoning || '') + delta.reasoning_content;
        message.reasoningPieces = (message.reasoningPieces || 0) + 1;
    }
    if (delta.content) {
        message.content += delta.content;
        if (!clock.answer) clock.answer = now;
    }
    if ((delta.reasoning_content || delta.content) && !clock.first) clock.first = now;
    const thinkingEnd = clock.answer || now;
    message.spent = {
        first: (clock.first || now) - clock.begun,
        thinking: clock.thought + (clock.reasoned ? thinkingEnd - clock.begun : 0),
        answer: clock.answer ? clock.answered + (now - clock.answer) : clock.answered,
    };
    if (choice?.finish_reason) message.finish = choice.finish_reason;
    if (chunk.usage) {
        message.usage = chunk.usage;
        const seconds = (now - (clock.first || now)) / 1000;
        const tokens = chunk.usage.completion_tokens - 1; // the first one is waited for
        message.speed = seconds > 0 && tokens > 0 ? tokens / seconds : undefined;
    }
}
