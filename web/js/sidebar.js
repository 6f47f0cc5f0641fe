/* sidebar.js - the list of chats, by age, and the search through titles and messages. */
import { el, iconButton, byId } from './dom.js';
import { openMenu } from './menu.js';
import { t } from './text.js';

const PAGE = 100; // chats that are listed at once
const DAY = 86400000;

function groupOf(chat) {
    if (chat.pinned) return 'pinned';
    const midnight = new Date().setHours(0, 0, 0, 0);
    if (chat.updated >= midnight) return 'today';
    if (chat.updated >= midnight - DAY) return 'yesterday';
    if (chat.updated >= midnight - 7 * DAY) return 'week';
    if (chat.updated >= midnight - 30 * DAY) return 'month';
    return 'older';
}

export class Sidebar {
    constructor(app) {
        this.app = app;
        this.list = byId('chats');
        this.field = byId('search');
        this.shown = PAGE;
        this.found = null; // id -> piece of a message, while a search is on
        this.field.addEventListener('input', () => this.onSearch());
        this.field.addEventListener('keydown', (event) => this.onSearchKey(event));
        app.addEventListener('chats', () => this.render());
        app.addEventListener('chat', () => this.render());
    }

    /* ---- the list ---- */

    chats() {
        const all = [...this.app.chats.values()].sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated - a.updated);
        const words = this.field.value.trim().toLocaleLowerCase();
        if (!words) return all;
        return all.filter((chat) => (chat.title || '').toLocaleLowerCase().includes(words) || this.found?.has(chat.id));
    }

    render() {
        if (this.renaming) return;
        const chats = this.chats();
        const focused = document.activeElement?.closest?.('[data-chat]')?.dataset.chat;
        const groups = new Map();
        for (const chat of chats.slice(0, this.shown)) {
            const group = groupOf(chat);
            if (!groups.has(group)) groups.set(group, []);
            groups.get(group).push(this.row(chat));
        }
        const sections = [...groups].map(([name, rows]) => {
            const heading = el('h2', { id: `group-${name}` }, t(name));
            return el('section', {}, heading, el('ul', { 'aria-labelledby': `group-${name}` }, ...rows));
        });
        if (chats.length > this.shown) {
            const more = () => {
                this.shown += PAGE;
                this.render();
            };
            sections.push(el('button', { type: 'button', class: 'text-button more', onclick: more }, t('showMore')));
        }
        if (chats.length === 0) sections.push(el('p', { class: 'empty' }, this.field.value.trim() ? t('noMatches') : t('noChats')));
        this.list.replaceChildren(...sections);
        if (focused) this.list.querySelector(`[data-chat="${CSS.escape(focused)}"] a`)?.focus();
    }

    row(chat) {
        const title = chat.title || t('untitled');
        const current = this.app.chat === chat;
        const piece = this.found?.get(chat.id);
        const link = el('a', { href: `#/chat/${chat.id}`, 'aria-current': current ? 'page' : null, title }, el('span', { class: 'row-title' }, title), piece ? el('span', { class: 'piece' }, piece) : null);
        const more = iconButton('more', t('chatMenu', { title }), () => this.menu(chat, more), { 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
        const busy = this.app.runs.of(chat.id) ? el('span', { class: 'busy', role: 'img', 'aria-label': t('answering') }) : null;
        return el('li', { class: `row${current ? ' current' : ''}`, 'data-chat': chat.id }, link, busy, more);
    }

    menu(chat, button) {
        openMenu(button, [
            { icon: 'edit', label: t('rename'), act: () => this.rename(chat) },
            { icon: 'pin', label: chat.pinned ? t('unpin') : t('pin'), act: () => this.app.changeChat(chat, { pinned: !chat.pinned }) },
            { icon: 'save', label: t('export'), act: () => this.app.exportChats(chat) },
            { icon: 'bin', label: t('delete'), act: () => this.app.deleteChat(chat), danger: true },
        ]);
    }

    rename(chat) {
        const row = this.list.querySelector(`[data-chat="${CSS.escape(chat.id)}"]`);
        if (!row) return;
        const field = el('input', { type: 'text', class: 'rename', 'aria-label': t('renameTitle'), value: chat.title || '', maxlength: '120' });
        const end = (save) => {
            if (!this.renaming) return;
            this.renaming = false;
            const title = field.value.trim();
            if (save && title) this.app.changeChat(chat, { title });
            this.render();
            this.list.querySelector(`[data-chat="${CSS.escape(chat.id)}"] a`)?.focus();
        };
        field.addEventListener('keydown', (event) => {
            if (event.isComposing || event.keyCode === 229) return;
            if (event.key === 'Enter') end(true);
            else if (event.key === 'Escape') end(false);
            else return;
            event.preventDefault();
            event.stopPropagation();
        });
        field.addEventListener('blur', () => end(true));
        this.renaming = true;
        row.replaceChildren(field);
        field.focus();
        field.select();
    }

    /* ---- search ---- */

    focusSearch() {
        this.field.focus();
        this.field.select();
    }

    onSearch() {
        clearTimeout(this.timer);
        this.shown = PAGE;
        const words = this.field.value.trim().toLocaleLowerCase();
        if (!words) this.found = null;
        this.render();
        if (words) this.timer = setTimeout(() => this.searchMessages(words), 200);
    }

    async searchMessages(words) {
        const found = new Map();
        await this.app.store.scan((message) => {
            if (this.field.value.trim().toLocaleLowerCase() !== words) return false; // typed on
            if (found.has(message.chat)) return true;
            const at = message.content.toLocaleLowerCase().indexOf(words);
            if (at >= 0) found.set(message.chat, `${at > 20 ? '…' : ''}${message.content.slice(Math.max(0, at - 20), at + 60)}`);
            return found.size < PAGE;
        });
        if (this.field.value.trim().toLocaleLowerCase() !== words) return;
        this.found = found;
        this.render();
    }

    onSearchKey(event) {
        if (event.isComposing) return;
        const first = this.list.querySelector('a');
        if (event.key === 'Escape' && this.field.value) {
            this.field.value = '';
            this.onSearch();
        } else if ((event.key === 'Enter' || event.key === 'ArrowDown') && first) {
            if (event.key === 'Enter') first.click();
            else first.focus();
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    }
}
