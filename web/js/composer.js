/* composer.js - the box in which a message is written: text, files, what the answer may do, send and stop. */
import { el, icon, iconButton, byId } from './dom.js';
import { preference, setPreference, draft, setDraft } from './preferences.js';
import { readFile, FILES_LIMIT } from './files.js';
import { roughTokens } from './prompt.js';
import { toast } from './notices.js';
import { t, number } from './text.js';

const PASTE_LIMIT = 12000; // characters: more is a file

export class Composer {
    constructor(app) {
        this.app = app;
        this.files = [];
        this.box = byId('composer');
        this.area = byId('message');
        this.send = byId('send');
        this.think = byId('think');
        this.search = byId('search-web');
        this.picker = byId('file-picker');
        this.listen();
        app.addEventListener('chat', () => this.onChat());
        app.addEventListener('made', () => setDraft('', ''));
        app.addEventListener('message', () => this.updateState());
        app.addEventListener('offers', () => this.updateState());
        byId('attach').append(icon('clip'));
        this.think.prepend(icon('think'));
        this.search.prepend(icon('globe'));
        this.updateState();
    }

    listen() {
        const { area, box } = this;
        area.addEventListener('input', () => this.onInput());
        area.addEventListener('keydown', (event) => this.onKey(event));
        area.addEventListener('paste', (event) => this.onPaste(event));
        this.send.addEventListener('click', () => (this.running ? this.app.stop() : this.submit()));
        this.think.addEventListener('click', () => this.toggle('thinking', this.think));
        this.search.addEventListener('click', () => this.toggle('search', this.search));
        byId('attach').addEventListener('click', () => this.picker.click());
        this.picker.addEventListener('change', () => {
            this.addFiles([...this.picker.files]); // the list itself empties with the picker
            this.picker.value = '';
        });
        box.addEventListener('dragover', (event) => {
            event.preventDefault();
            box.classList.add('dropping');
        });
        box.addEventListener('dragleave', () => box.classList.remove('dropping'));
        box.addEventListener('drop', (event) => {
            event.preventDefault();
            box.classList.remove('dropping');
            this.addFiles([...event.dataTransfer.files]);
        });
    }

    get running() {
        return Boolean(this.app.chat && this.app.runs.of(this.app.chat.id));
    }

    get place() {
        return this.app.chat?.id || '';
    }

    onChat() {
        if (this.shownPlace !== this.place) {
            this.area.value = draft(this.place);
            this.files = [];
            this.shownPlace = this.place;
            this.renderFiles();
        }
        this.fit();
        this.updateState();
    }

    /* ---- typing ---- */

    fit() {
        this.area.style.height = 'auto';
        this.area.style.height = `${Math.min(this.area.scrollHeight, window.innerHeight * 0.4)}px`;
    }

    onInput() {
        setDraft(this.place, this.area.value);
        this.fit();
        this.updateState();
    }

    /* While an input method composes, Enter chooses a word and nothing is sent. */
    onKey(event) {
        if (event.isComposing || event.keyCode === 229) return;
        if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
            event.preventDefault();
            if (!this.running) this.submit();
        } else if (event.key === 'ArrowUp' && !this.area.value && !event.shiftKey) {
            event.preventDefault();
            this.app.tell('edit-last');
        }
    }

    onPaste(event) {
        const files = [...event.clipboardData.files];
        const text = event.clipboardData.getData('text/plain');
        if (files.length > 0 && !text) {
            event.preventDefault();
            this.addFiles(files);
        } else if (text.length > PASTE_LIMIT) {
            event.preventDefault();
            this.addFiles([new File([text], t('pasted'), { type: 'text/plain' })]);
        }
    }

    async submit() {
        const text = this.area.value.trim();
        if ((!text && this.files.length === 0) || this.reading || this.running) return;
        const { files } = this;
        setDraft(this.place, '');
        this.area.value = '';
        this.files = [];
        this.renderFiles();
        this.fit();
        this.shownPlace = undefined; // a new chat gets its name now
        await this.app.send(text, files);
    }

    /* ---- files ---- */

    async addFiles(list) {
        for (const file of list) {
            if (this.files.length >= FILES_LIMIT) {
                toast(t('tooManyFiles', { limit: FILES_LIMIT }), { alert: true });
                break;
            }
            this.reading = true;
            this.updateState();
            try {
                this.files.push(await readFile(file, this.app.offers));
            } catch (error) {
                toast(error.message, { alert: true });
            }
            this.reading = false;
            this.renderFiles();
        }
        this.updateState();
        this.area.focus();
    }

    renderFiles() {
        const rows = this.files.map((file, i) => {
            const remove = () => {
                this.files.splice(i, 1);
                this.renderFiles();
                this.updateState();
                this.area.focus();
            };
            return el('li', { class: 'file' }, icon('file'), el('span', { class: 'file-name' }, file.name), el('span', { class: 'faint' }, t('tokens', { count: number(roughTokens(file.text)) })), iconButton('close', t('removeFile', { name: file.name }), remove));
        });
        byId('files').replaceChildren(...rows);
        byId('files').hidden = rows.length === 0;
    }

    /* ---- state ---- */

    toggle(name, button) {
        if (button.getAttribute('aria-disabled') === 'true') {
            toast(button.title);
            return;
        }
        setPreference(name, !preference(name));
        this.updateState();
    }

    setToggle(button, on, note, possible) {
        button.setAttribute('aria-pressed', String(on && possible));
        button.setAttribute('aria-disabled', String(!possible));
        button.title = note;
    }

    updateState() {
        const { app } = this;
        const { searches } = app;
        this.setToggle(this.think, preference('thinking'), app.thinks ? t('deepThinkNote') : t('noThinking'), app.thinks);
        this.setToggle(this.search, preference('search'), searches ? t('searchNote') : t('noSearch'), searches);
        const { running } = this;
        const label = running ? t('stop') : t('send');
        if (this.send.dataset.state !== label) {
            this.send.replaceChildren(icon(running ? 'stop' : 'up'));
            this.send.setAttribute('aria-label', label);
            this.send.title = label;
            this.send.dataset.state = label;
        }
        const empty = !this.area.value.trim() && this.files.length === 0;
        this.send.setAttribute('aria-disabled', String(!running && (empty || Boolean(this.reading))));
        this.area.placeholder = t('placeholder', { model: app.model || 'hadal' });
        this.updateGauge();
    }

    updateGauge() {
        const gauge = byId('gauge');
        const context = this.app.offers?.context;
        const usage = [...this.app.path].reverse().find((message) => message.usage)?.usage;
        const used = (usage?.total_tokens || 0) + roughTokens(this.area.value) + this.files.reduce((sum, file) => sum + roughTokens(file.text), 0);
        gauge.hidden = !context || used === 0;
        if (gauge.hidden) return;
        const share = Math.min(1, used / context);
        const label = t('gauge', { used: number(used), all: number(context) });
        gauge.title = label;
        gauge.setAttribute('aria-label', label);
        gauge.setAttribute('aria-valuenow', String(Math.round(share * 100)));
        gauge.classList.toggle('full', share > 0.9);
        gauge.querySelector('.arc').style.strokeDashoffset = String(100 - share * 100);
    }

    focus() {
        this.area.focus();
    }
}
