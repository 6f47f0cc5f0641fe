/* panel.js - the frame of the pages for accounts and for operators: signing in, sections, language, errors. The key is in this
 * module and in the tab's own storage, which ends with the tab; never in an address. */
import { byId, el, icon } from './dom.js';
import { preference, setPreference } from './preferences.js';
import { request, ServerError } from './server.js';
import { field } from './dialogs.js';
import { announce, toast } from './notices.js';
import { addTexts, t, translatePage } from './text.js';
import { panelEnglish } from './text_panel_en.js';
import { panelChinese } from './text_panel_zh.js';

const STORED = 'hadal key';

addTexts(panelEnglish, panelChinese);

function storedKey() {
    try {
        return sessionStorage.getItem(STORED) || '';
    } catch {
        return '';
    }
}

function storeKey(key) {
    try {
        if (key) sessionStorage.setItem(STORED, key);
        else sessionStorage.removeItem(STORED);
    } catch {
        /* it holds for this page */
    }
}

export function errorText(error) {
    if (!(error instanceof ServerError)) throw error;
    if (error.status === 0) return t('unreachable');
    if (error.status === 401) return t('keyWrong');
    return error.message;
}

function refusalText(error) {
    if (error.status === 403) return t('adminOnly');
    if (error.status === 404) return `${t('noAccounts')}. ${t('noAccountsNote')}`;
    return errorText(error);
}

export class Panel {
    /** sections: [{ name, icon, render(box, panel) -> function to call when it is left, or nothing }];
     * start(panel): asks who it is, and fails where the key may not. */
    constructor({ sections, start }) {
        this.sections = sections;
        this.start = start;
        this.key = storedKey();
        this.leave = null;
        this.shown = 0; // which showing: what comes for an earlier one is dropped
    }

    /* ---- asking ---- */

    async send(path, body, accept) {
        const headers = { 'Content-Type': 'application/json', Accept: accept };
        if (this.key) headers.Authorization = `Bearer ${this.key}`;
        return request(path, { method: 'POST', headers, body: JSON.stringify(body || {}) });
    }

    async act(path, body) {
        return (await this.send(path, body, 'application/json')).json();
    }

    async models() {
        return (await (await request('/v1/models', { headers: { Authorization: `Bearer ${this.key}` } })).json()).data.map((model) => model.id);
    }

    async saveCsv(path, body, name) {
        const url = URL.createObjectURL(await (await this.send(path, body, 'text/csv')).blob());
        el('a', { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 10000);
    }

    /** Does something that may fail, and says so; true where it did not. */
    async attempt(work, said) {
        try {
            await work();
        } catch (error) {
            toast(t('failed', { reason: errorText(error) }), { alert: true });
            return false;
        }
        if (said) toast(said);
        return true;
    }

    /* ---- signing in ---- */

    signOut() {
        this.key = '';
        storeKey('');
        this.showSignIn();
    }

    async signIn(key) {
        this.key = key;
        await this.start(this);
        storeKey(key);
        this.signedIn = true;
        byId('sign-out').hidden = false;
        byId('sections').hidden = false;
        await this.show();
    }

    showSignIn(sentence) {
        this.leaveSection();
        this.signedIn = false;
        byId('sign-out').hidden = true;
        byId('other').hidden = true;
        byId('sections').hidden = true;
        byId('who').textContent = '';
        const input = el('input', { type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
        const said = el('p', { class: 'sign-in-error', role: 'alert' }, sentence || '');
        const button = el('button', { class: 'button primary' }, t('signIn'));
        const form = el('form', { class: 'card sign-in' }, el('h1', {}, t('signInTitle')), el('p', { class: 'faint' }, t('signInNote')), field(t('key'), input), said, el('div', { class: 'dialog-end' }, button));
        form.addEventListener('submit', async (event) => {
            event.preventDefault();
            said.textContent = '';
            button.disabled = true;
            try {
                await this.signIn(input.value.trim());
            } catch (error) {
                this.key = '';
                said.textContent = refusalText(error);
                input.select();
            }
            button.disabled = false;
        });
        byId('content').replaceChildren(form);
        input.focus();
    }

    /* ---- sections ---- */

    get current() {
        const name = /^#\/([a-z]+)$/.exec(location.hash)?.[1];
        return this.sections.find((section) => section.name === name) || this.sections[0];
    }

    leaveSection() {
        this.shown++;
        if (this.leave) this.leave();
        this.leave = null;
    }

    showLinks() {
        const links = this.sections.map((section) => el('a', { href: `#/${section.name}`, 'aria-current': section === this.current ? 'page' : null }, icon(section.icon), el('span', {}, t(section.name))));
        byId('sections').replaceChildren(...links);
        links.find((link) => link.hasAttribute('aria-current'))?.scrollIntoView?.({ block: 'nearest', inline: 'nearest' });
    }

    async show() {
        this.leaveSection();
        const section = this.current;
        const { shown } = this;
        const box = el('div', { class: 'section' }, el('h1', { tabindex: '-1' }, t(section.name)));
        this.showLinks();
        document.title = `${t(section.name)} - hadal`;
        byId('content').replaceChildren(box);
        byId('content').setAttribute('aria-busy', 'true');
        try {
            const leave = await section.render(box, this);
            if (shown !== this.shown) leave?.();
            else this.leave = leave || null;
        } catch (error) {
            if (shown !== this.shown) return;
            if (error.status === 401) {
                this.signOut();
                return;
            }
            const again = el('button', { type: 'button', class: 'text-button', onclick: () => this.show() }, t('retry'));
            box.append(el('div', { class: 'error', role: 'alert' }, el('span', {}, errorText(error)), again));
        }
        if (shown !== this.shown) return; // left meanwhile: the page is another section's
        byId('content').setAttribute('aria-busy', 'false');
        document.body.dataset.section = section.name;
    }

    /** Whether what was asked for in a section is still wanted. */
    stamp() {
        const { shown } = this;
        return () => shown === this.shown;
    }

    /** Does something that may fail and changes what the section shows, then shows it again where it is still the one shown;
     * true where it was done. */
    async change(work, said) {
        const wanted = this.stamp();
        if (!(await this.attempt(work))) return false;
        if (wanted()) await this.show();
        if (said) toast(said);
        return true;
    }

    /* ---- the beginning ---- */

    choices() {
        const options = {
            language: [['auto', t('language')], ['en', 'English'], ['zh', '中文']],
            theme: [['auto', t('theme')], ['light', t('light')], ['dark', t('dark')]],
        };
        for (const [name, values] of Object.entries(options)) {
            const select = byId(name);
            select.replaceChildren(...values.map(([value, text]) => el('option', { value }, text)));
            select.value = preference(name);
        }
    }

    showTheme() {
        const theme = preference('theme');
        if (theme === 'auto') delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = theme;
    }

    dress() {
        translatePage();
        this.choices();
        this.showTheme();
    }

    async begin() {
        this.dress();
        for (const button of document.querySelectorAll('[data-icon]')) button.prepend(icon(button.dataset.icon));
        for (const name of ['language', 'theme']) {
            byId(name).addEventListener('change', (event) => {
                setPreference(name, event.target.value);
                this.dress();
                if (name === 'theme') return;
                if (this.signedIn) this.show();
                else this.showSignIn();
            });
        }
        byId('sign-out').addEventListener('click', () => this.signOut());
        window.addEventListener('hashchange', async () => {
            if (!this.signedIn || !location.hash.startsWith('#/')) return;
            await this.show();
            document.querySelector('.section h1')?.focus();
            announce(t(this.current.name));
        });
        await this.beginSignedIn();
        document.body.dataset.ready = 'true';
    }

    async beginSignedIn() {
        try {
            await this.signIn(this.key);
        } catch (error) {
            if (error.status === 404) {
                byId('content').replaceChildren(el('div', { class: 'card sign-in' }, el('h1', {}, t('noAccounts')), el('p', {}, t('noAccountsNote'))));
            } else {
                const refused = this.key ? refusalText(error) : '';
                this.key = '';
                this.showSignIn(refused);
            }
        }
    }
}
