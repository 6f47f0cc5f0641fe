/* preferences.js - what belongs to this browser and not to a chat: language, theme, key, defaults. */
const KEY = 'hadal';
const DEFAULTS = {
    language: 'auto',
    theme: 'auto',
    key: '',
    model: '',
    thinking: true,
    search: false,
    sidebar: true,
    unfold: true, // reasoning is shown while it comes
    system: '',
    sampling: {}, // temperature, top_p, max_tokens, seed: as given
    prices: { currency: '', hit: '', miss: '', output: '' }, // for a million tokens
};

function read() {
    try {
        return JSON.parse(localStorage.getItem(KEY)) || {};
    } catch {
        return {};
    }
}

let values = { ...DEFAULTS, ...read() };
const listeners = new Set();

export function preference(name) {
    return values[name];
}

export function setPreference(name, value) {
    values = { ...DEFAULTS, ...read(), [name]: value }; // another tab may have changed others
    try {
        localStorage.setItem(KEY, JSON.stringify(values));
    } catch {
        /* storage is full or forbidden: it holds for this page */
    }
    for (const listener of listeners) listener(name, value);
}

export function onPreference(listener) {
    listeners.add(listener);
}

/* Drafts: what was typed and not sent, for each chat. */
export function draft(chat) {
    try {
        return sessionStorage.getItem(`draft ${chat}`) || '';
    } catch {
        return '';
    }
}

export function setDraft(chat, text) {
    try {
        if (text) sessionStorage.setItem(`draft ${chat}`, text);
        else sessionStorage.removeItem(`draft ${chat}`);
    } catch {
        /* likewise */
    }
}
