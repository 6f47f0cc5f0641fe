/* message_view.js - one message: its text, reasoning, files, what it took, and what can be done with it. */
import { el, icon, iconButton, copyText } from './dom.js';
import { Markdown } from './markdown.js';
import { t, number, seconds } from './text.js';
import { costOf } from './money.js';
import { preference } from './preferences.js';

function hostOf(url) {
    try {
        return new URL(url).host;
    } catch {
        return '';
    }
}

const size = (text) => t('tokens', { count: number(Math.ceil(text.length / 3.5)) });

/* ---- parts ---- */

function filesOf(message) {
    if (!message.files?.length) return null;
    return el(
        'ul',
        { class: 'files', 'aria-label': t('files') },
        ...message.files.map((file) => el('li', { class: 'file' }, icon('file'), el('span', { class: 'file-name' }, file.name), el('span', { class: 'faint' }, size(file.text)))),
    );
}

function versions(message, app) {
    const { ids, index, count } = app.tree.siblings(message);
    if (count < 2) return null;
    const step = (by) => () => app.pick(ids[index + by]);
    return el(
        'span',
        { class: 'versions', role: 'group', 'aria-label': t('versions') },
        iconButton('left', t('previous'), step(-1), { disabled: index === 0 }),
        el('span', { class: 'version' }, `${index + 1} / ${count}`),
        iconButton('right', t('next'), step(1), { disabled: index === count - 1 }),
    );
}

function copyButton(message) {
    const button = iconButton('copy', t('copy'), async () => {
        await copyText(message.content);
        button.replaceChildren(icon('check'));
        button.setAttribute('aria-label', t('copied'));
        setTimeout(() => {
            button.replaceChildren(icon('copy'));
            button.setAttribute('aria-label', t('copy'));
        }, 1500);
    });
    return button;
}

function usageOf(message) {
    const usage = message.usage;
    if (!usage) return null;
    const parts = [];
    if (message.speed) parts.push(t('speed', { speed: number(message.speed, message.speed < 10 ? 1 : 0) }));
    parts.push(t('tokensIn', { count: number(usage.prompt_tokens) }));
    if (usage.prompt_cache_hit_tokens) parts.push(t('tokensCached', { count: number(usage.prompt_cache_hit_tokens) }));
    parts.push(t('tokensOut', { count: number(usage.completion_tokens) }));
    const cost = costOf(message);
    if (cost) parts.push(cost);
    return el('span', { class: 'usage', title: t('details') }, parts.join(' · '));
}

/* ---- the view ---- */

export class MessageView {
    constructor(message, app) {
        this.message = message;
        this.app = app;
        const user = message.role === 'user';
        const name = user ? t('youSaid') : t('modelSaid', { model: message.model || t('model') });
        this.element = el('article', { class: `message ${user ? 'user' : 'assistant'}`, 'aria-label': name, 'data-id': message.id, tabindex: '-1' });
        this.body = el('div', { class: 'bubble' });
        this.foot = el('div', { class: 'foot' });
        if (user) this.buildUser();
        else this.buildAnswer();
        this.update();
    }

    buildUser() {
        const files = filesOf(this.message);
        if (files) this.element.append(files);
        this.element.append(this.body, this.foot);
    }

    buildAnswer() {
        this.summary = el('summary', {});
        this.reasoning = el('div', { class: 'reasoning' });
        this.details = el('details', { class: 'thinking', hidden: true }, this.summary, this.reasoning);
        this.details.addEventListener('toggle', () => this.showReasoning());
        this.summary.addEventListener('click', () => (this.folded = true)); // the user decides from now on
        this.reasoningText = new Markdown(this.reasoning);
        this.sources = el('details', { class: 'thinking sources', hidden: true });
        this.text = el('div', { class: 'markdown' });
        this.answerText = new Markdown(this.text);
        this.notes = el('div', { class: 'notes' });
        this.body.append(this.sources, this.details, this.text, this.notes);
        this.element.append(this.body, this.foot);
    }

    get running() {
        return this.app.runs.isRunning(this.message.id);
    }

    /** Shows what the message is now. */
    update() {
        if (this.editing) return;
        if (this.message.role === 'user') this.body.textContent = this.message.content;
        else this.updateAnswer();
        const phase = `${this.running}${this.message.state}${this.app.tree.siblings(this.message).count}`;
        if (phase !== this.phase) this.updateFoot();
        this.phase = phase;
    }

    updateAnswer() {
        const { message, running } = this;
        this.updateSources();
        this.updateThinking();
        this.answerText.sources = message.sources || [];
        this.answerText.update(message.content);
        if (!running) this.answerText.finish();
        this.element.toggleAttribute('aria-busy', running);
        if (running) this.element.setAttribute('aria-busy', 'true');
        this.element.classList.toggle('waiting', running && !message.content && !message.reasoning && !message.searching);
        this.element.classList.toggle('writing', running && Boolean(message.content));
    }

    updateSources() {
        const { message } = this;
        const state = message.searching ? 'searching' : message.sources?.length;
        if (state === this.sourcesState) return;
        this.sourcesState = state;
        this.sources.hidden = state === undefined;
        const link = (source) => el('a', { href: source.url, target: '_blank', rel: 'noopener noreferrer nofollow' }, source.title || source.url);
        const rows = (message.sources || []).map((source) => el('li', {}, /^https?:/i.test(source.url) ? link(source) : source.title, el('span', { class: 'faint' }, hostOf(source.url))));
        const label = message.searching ? t('searching') : t('searched', { count: rows.length });
        this.sources.classList.toggle('now', Boolean(message.searching));
        this.sources.replaceChildren(el('summary', {}, icon('globe'), el('span', {}, label)), el('ol', { class: 'source-list' }, ...rows));
    }

    updateThinking() {
        const { message, running } = this;
        this.details.hidden = !message.reasoning;
        if (!message.reasoning) return;
        const now = running && !message.content;
        const time = seconds(message.spent?.thinking || 0);
        const tokens = message.usage?.completion_tokens_details?.reasoning_tokens || message.reasoningPieces;
        let label = t('thoughtPlain');
        if (now) label = t('thinkingFor', { time });
        else if (message.spent?.thinking && tokens) label = t('thoughtTokens', { time, tokens: number(tokens) });
        else if (message.spent?.thinking) label = t('thought', { time });
        if (this.label !== label) this.summary.replaceChildren(icon('think'), el('span', {}, label));
        this.label = label;
        if (!this.folded) {
            // Open while it comes; what is open when the answer begins stays so.
            if (now) this.details.open = preference('unfold');
        }
        this.details.classList.toggle('now', now);
        this.showReasoning();
    }

    showReasoning() {
        if (!this.details.open) return;
        this.reasoningText.update(this.message.reasoning || '');
        if (!this.running || this.message.content) this.reasoningText.finish();
    }

    updateFoot() {
        const { message, app, running } = this;
        this.foot.replaceChildren();
        if (message.role === 'user') {
            this.foot.append(...[versions(message, app), copyButton(message), iconButton('edit', t('edit'), () => this.edit())].filter(Boolean));
            return;
        }
        this.updateNotes();
        if (running) return;
        const buttons = [versions(message, app), copyButton(message), iconButton('again', t('regenerate'), () => app.regenerate(message))];
        if (app.isLeaf(message) && message.state !== 'error') buttons.push(iconButton('go', t('continue'), () => app.continueAnswer(message)));
        buttons.push(iconButton('edit', t('editAnswer'), () => this.edit()), usageOf(message));
        this.foot.append(...buttons.filter(Boolean));
    }

    updateNotes() {
        const { message, app, running } = this;
        this.notes.replaceChildren();
        if (running) return;
        const goOn = () => el('button', { type: 'button', class: 'text-button', onclick: () => app.continueAnswer(message) }, t('continue'));
        if (message.state === 'stopped') this.notes.append(el('p', { class: 'note' }, t('stopped')));
        if (message.state === 'length') this.notes.append(el('p', { class: 'note' }, t('cut'), ' ', app.isLeaf(message) ? goOn() : null));
        if (message.state === 'error') {
            const retry = el('button', { type: 'button', class: 'text-button', onclick: () => app.continueAnswer(message) }, icon('again'), t('retry'));
            this.notes.append(el('div', { class: 'error', role: 'alert' }, el('span', {}, app.errorText(message.error)), retry));
        }
    }

    /* ---- editing in place ---- */

    edit() {
        if (this.editing || this.running) return;
        const { message, app } = this;
        const area = el('textarea', { class: 'edit-area', 'aria-label': message.role === 'user' ? t('edit') : t('editAnswer'), value: message.content });
        const fit = () => {
            area.style.height = 'auto';
            area.style.height = `${Math.min(area.scrollHeight + 2, window.innerHeight * 0.6)}px`;
        };
        const close = () => {
            this.editing = false;
            editor.remove();
            this.element.classList.remove('editing');
            this.body.hidden = this.foot.hidden = false;
            this.update();
        };
        const save = () => {
            const text = area.value;
            if (!text.trim()) return;
            close();
            if (text === message.content && message.role === 'assistant') return;
            app.editMessage(message, text);
        };
        area.addEventListener('keydown', (event) => {
            if (event.isComposing || event.keyCode === 229) return;
            if (event.key === 'Escape') {
                event.stopPropagation();
                close();
                this.foot.querySelector('button:last-of-type')?.focus();
            } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey || (message.role === 'user' && !event.shiftKey))) {
                event.preventDefault();
                save();
            }
        });
        area.addEventListener('input', fit);
        const buttons = el(
            'div',
            { class: 'edit-buttons' },
            el('button', { type: 'button', class: 'button', onclick: close }, t('cancel')),
            el('button', { type: 'button', class: 'button primary', onclick: save }, message.role === 'user' ? t('sendEdit') : t('save')),
        );
        const editor = el('div', { class: 'editor' }, area, buttons);
        this.editing = true;
        this.element.classList.add('editing');
        this.body.hidden = this.foot.hidden = true;
        this.element.append(editor);
        fit();
        area.focus();
        area.setSelectionRange(area.value.length, area.value.length);
    }
}
