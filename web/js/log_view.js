/* log_view.js - the messages of the shown path, of which only those near the window exist as elements.
 *
 * Heights of messages that were shown are remembered and others guessed; what is not there is space above and below. After
 * every change the first message in sight keeps its place, so that guesses that were wrong move nothing. */
import { MessageView } from './message_view.js';
import { el } from './dom.js';

const GUESS = 180; // pixels of a message that was never shown
const AHEAD = 1200; // pixels that exist beyond the window
const NEAR_END = 60; // pixels from the end at which the log follows what comes

export class LogView {
    constructor(frame, log, app) {
        Object.assign(this, { frame, log, app });
        this.path = [];
        this.views = new Map(); // id -> MessageView, of those that exist
        this.edited = new Map(); // likewise, of those out of sight in which something is being written
        this.heights = new Map();
        this.above = el('div', { class: 'space', 'aria-hidden': 'true' });
        this.below = el('div', { class: 'space', 'aria-hidden': 'true' });
        log.append(this.above, this.below);
        this.follows = true;
        this.sizes = new ResizeObserver((entries) => this.onResize(entries));
        frame.addEventListener('scroll', () => this.onScroll(), { passive: true });
        window.addEventListener('resize', () => this.schedule());
    }

    /** Another chat or branch. */
    show(path, keepPlace) {
        const kept = keepPlace ? this.anchor() : null;
        const same = new Set(path.map((message) => message.id));
        for (const [id, view] of this.views) if (!same.has(id) || !keepPlace) this.remove(id, view);
        this.edited.clear();
        this.path = path;
        this.begin = this.end = 0;
        if (!keepPlace) this.follows = true;
        this.layout(kept);
        if (this.follows) this.toEnd();
    }

    /** The language changed: everything is made anew. */
    rebuild() {
        this.show(this.path, false);
    }

    update(message) {
        this.views.get(message.id)?.update();
    }

    updateAll() {
        for (const view of this.views.values()) {
            view.phase = null;
            view.update();
        }
    }

    remove(id, view) {
        if (view.editing) this.edited.set(id, view);
        if (view.element.contains(document.activeElement)) this.log.focus({ preventScroll: true });
        this.sizes.unobserve(view.element);
        view.element.remove();
        this.views.delete(id);
    }

    heightOf(index) {
        return this.heights.get(this.path[index].id) || GUESS;
    }

    /* The messages that have to exist for the part of the log that is in sight. */
    wanted() {
        const top = this.frame.scrollTop - AHEAD;
        const bottom = this.frame.scrollTop + this.frame.clientHeight + AHEAD;
        const last = this.path.length;
        if (this.follows) {
            let begin = last;
            for (let height = 0; begin > 0 && height < this.frame.clientHeight + AHEAD; ) height += this.heightOf(--begin);
            return [begin, last];
        }
        let begin = 0;
        let y = 0;
        while (begin < last - 1 && y + this.heightOf(begin) < top) y += this.heightOf(begin++);
        let end = begin;
        while (end < last && y < bottom) y += this.heightOf(end++);
        return [begin, end];
    }

    /* The first message in sight and how far it is from the top. */
    anchor() {
        const top = this.frame.getBoundingClientRect().top;
        for (const [id, view] of this.views) {
            const box = view.element.getBoundingClientRect();
            if (box.bottom > top + 1) return { id, offset: box.top - top };
        }
        return null;
    }

    restore(kept) {
        const view = kept && this.views.get(kept.id);
        if (!view) return;
        const offset = view.element.getBoundingClientRect().top - this.frame.getBoundingClientRect().top;
        if (Math.abs(offset - kept.offset) > 0.5) this.frame.scrollTop += offset - kept.offset;
    }

    layout(kept = this.follows ? null : this.anchor()) {
        const [begin, end] = this.wanted();
        if (begin !== this.begin || end !== this.end || this.views.size !== end - begin) this.fill(begin, end);
        let height = 0;
        for (let i = 0; i < begin; i++) height += this.heightOf(i);
        this.above.style.height = `${height}px`;
        height = 0;
        for (let i = end; i < this.path.length; i++) height += this.heightOf(i);
        this.below.style.height = `${height}px`;
        this.restore(kept);
    }

    fill(begin, end) {
        const wanted = new Set();
        for (let i = begin; i < end; i++) wanted.add(this.path[i].id);
        for (const [id, view] of this.views) if (!wanted.has(id)) this.remove(id, view);
        const ordered = new Map();
        let before = this.above;
        for (let i = begin; i < end; i++) {
            const message = this.path[i];
            let view = this.views.get(message.id);
            if (!view) {
                view = this.edited.get(message.id) || new MessageView(message, this.app);
                this.edited.delete(message.id);
                this.sizes.observe(view.element);
            }
            if (before.nextSibling !== view.element) before.after(view.element);
            before = view.element;
            ordered.set(message.id, view);
        }
        this.views = ordered;
        this.begin = begin;
        this.end = end;
    }

    onResize(entries) {
        const kept = this.follows ? null : this.anchor();
        let changed = false;
        for (const { target } of entries) {
            const height = target.getBoundingClientRect().height;
            const id = target.dataset.id;
            if (!height || this.heights.get(id) === height) continue;
            this.heights.set(id, height);
            changed = true;
        }
        if (this.follows) this.toEnd();
        else if (changed) this.layout(kept);
    }

    onScroll() {
        const { scrollTop, scrollHeight, clientHeight } = this.frame;
        const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
        // Growing text is no scrolling: only what moves up ends the following.
        if (scrollTop < (this.lastTop || 0) - 2 && !atEnd) this.follows = false;
        else if (atEnd && this.end === this.path.length) this.follows = true;
        this.lastTop = scrollTop;
        this.schedule();
        this.app.onLogScroll(!atEnd);
    }

    schedule() {
        if (this.scheduled) return;
        this.scheduled = true;
        requestAnimationFrame(() => {
            this.scheduled = false;
            this.layout();
        });
    }

    toEnd() {
        this.follows = true;
        this.layout(null);
        this.frame.scrollTop = this.frame.scrollHeight;
        this.lastTop = this.frame.scrollTop;
    }

    /** Edits the newest message of the user. */
    editLast() {
        const last = [...this.path].reverse().find((message) => message.role === 'user');
        if (!last) return;
        this.toEnd();
        const view = this.views.get(last.id);
        if (!view) return;
        view.element.scrollIntoView({ block: 'nearest' });
        view.edit();
    }
}
