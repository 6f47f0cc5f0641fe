/* main.js - puts the page together. */
import { byId, icon, el } from './dom.js';
import { App } from './app.js';
import { openStore } from './store.js';
import { LogView } from './log_view.js';
import { Sidebar } from './sidebar.js';
import { Composer } from './composer.js';
import { showSettings, showHelp, askKey } from './dialogs.js';
import { preference, setPreference, onPreference } from './preferences.js';
import { announce, toast } from './notices.js';
import { closeMenu } from './menu.js';
import { t, translatePage } from './text.js';

const narrow = window.matchMedia('(max-width: 760px)');

function showTheme() {
    const theme = preference('theme');
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
}

/* ---- the sidebar: beside the chat, or over it on a phone ---- */

function showSidebar(shown) {
    document.body.classList.toggle('with-sidebar', shown);
    byId('sidebar').inert = !shown;
    byId('toggle-sidebar').setAttribute('aria-expanded', String(shown));
    byId('open-sidebar').setAttribute('aria-expanded', String(shown));
    byId('main').inert = shown && narrow.matches;
}

function sidebarShown() {
    return document.body.classList.contains('with-sidebar');
}

function toggleSidebar() {
    const shown = !sidebarShown();
    if (!narrow.matches) setPreference('sidebar', shown);
    showSidebar(shown);
    byId(shown ? 'toggle-sidebar' : 'open-sidebar').focus();
}

/* ---- what is shown ---- */

function showChat(app, log, keepPlace) {
    const path = app.path;
    document.body.classList.toggle('empty-chat', path.length === 0);
    byId('greeting').hidden = path.length > 0;
    byId('log').hidden = path.length === 0;
    log.show(path, keepPlace);
    const title = app.chat?.title || t('untitled');
    byId('chat-title').textContent = title;
    document.title = app.chat ? `${title} - hadal` : 'hadal';
}

function showModels(app) {
    const select = byId('model');
    select.replaceChildren(...app.models.map((name) => el('option', { value: name }, name)));
    select.value = app.model;
    select.hidden = app.models.length === 0;
    byId('account').hidden = !app.offers?.accounts;
}

/* The console asks for a key: that of this page goes with the tab. */
function takeKeyAlong() {
    try {
        if (preference('key')) sessionStorage.setItem('hadal key', preference('key'));
    } catch {
        /* the console will ask */
    }
}

function chatOfAddress() {
    return /^#\/chat\/(\w+)$/.exec(location.hash)?.[1] || null;
}

/* ---- keys ---- */

function onKey(event, { app, sidebar, composer }) {
    if (event.isComposing || event.keyCode === 229) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const dialog = document.querySelector('dialog[open]');
    if (event.key === 'Escape') {
        if (dialog) return;
        if (event.shiftKey) composer.focus();
        else if (narrow.matches && sidebarShown()) toggleSidebar();
        else app.stop();
        return;
    }
    if (!command || dialog) return;
    if (key === 'k') {
        if (!sidebarShown()) showSidebar(true);
        sidebar.focusSearch();
    } else if (key === 'b') {
        toggleSidebar();
    } else if (key === 'o' && event.shiftKey) {
        newChat(app, composer);
    } else if (key === '/') {
        showHelp();
    } else {
        return;
    }
    event.preventDefault();
}

function newChat(app, composer) {
    if (location.hash) location.hash = '';
    else app.open(null);
    if (narrow.matches) showSidebar(false);
    composer.focus();
}

/* ---- the beginning ---- */

function dressButtons() {
    for (const button of document.querySelectorAll('[data-icon]')) button.prepend(icon(button.dataset.icon));
}

function connectPage(app, log, sidebar, composer) {
    const parts = { app, log, sidebar, composer };
    app.onLogScroll = (away) => (byId('to-bottom').hidden = !away || app.path.length === 0);
    app.addEventListener('chat', (event) => showChat(app, log, event.detail?.keepPlace));
    const changed = new Set(); // shown once a frame, however many pieces came
    app.addEventListener('message', (event) => {
        changed.add(event.detail);
        if (changed.size > 1) return;
        requestAnimationFrame(() => {
            for (const message of changed) log.update(message);
            changed.clear();
        });
    });
    app.addEventListener('offers', () => showModels(app));
    app.addEventListener('refresh', () => log.updateAll());
    app.addEventListener('edit-last', () => log.editLast());
    app.addEventListener('key', (event) => askKey(event.detail, () => app.connect()));
    app.addEventListener('language', () => {
        translatePage();
        sidebar.render();
        showChat(app, log, false);
        delete composer.send.dataset.state;
        composer.updateState();
    });
    byId('new-chat').addEventListener('click', () => newChat(app, composer));
    byId('new-chat-top').addEventListener('click', () => newChat(app, composer));
    byId('toggle-sidebar').addEventListener('click', toggleSidebar);
    byId('open-sidebar').addEventListener('click', toggleSidebar);
    byId('veil').addEventListener('click', toggleSidebar);
    byId('settings').addEventListener('click', () => showSettings(app));
    byId('account').addEventListener('click', takeKeyAlong);
    byId('help').addEventListener('click', showHelp);
    byId('to-bottom').addEventListener('click', () => log.toEnd());
    byId('model').addEventListener('change', (event) => app.setModel(event.target.value));
    byId('chats').addEventListener('click', (event) => {
        if (event.target.closest('a') && narrow.matches) showSidebar(false);
    });
    document.addEventListener('keydown', (event) => onKey(event, parts));
    window.addEventListener('hashchange', () => {
        closeMenu();
        if ((chatOfAddress() || null) !== (app.chat?.id || null)) app.open(chatOfAddress());
        if (!narrow.matches) composer.focus();
    });
    narrow.addEventListener('change', () => showSidebar(!narrow.matches && preference('sidebar')));
    onPreference((name) => name === 'theme' && showTheme());
}

async function begin() {
    showTheme();
    translatePage();
    dressButtons();
    showSidebar(!narrow.matches && preference('sidebar'));
    let store;
    try {
        store = await openStore();
    } catch {
        toast(t('noStore'), { alert: true });
        store = (await import('./store_memory.js')).makeMemoryStore();
    }
    const app = new App(store);
    const log = new LogView(byId('scroll'), byId('log'), app);
    const sidebar = new Sidebar(app);
    const composer = new Composer(app);
    connectPage(app, log, sidebar, composer);
    await app.reload();
    await app.open(chatOfAddress());
    if (!narrow.matches) composer.focus();
    document.body.dataset.ready = 'true';
    const connect = async (sentence) => {
        if (!(await app.connect())) askKey(sentence, () => connect(t('keyWrong')));
        else await app.resume();
    };
    await connect(t('keyWanted'));
    if (app.chat && app.path.length > 0) announce(app.chat.title);
}

begin();
