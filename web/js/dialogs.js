/* dialogs.js - settings, shortcuts, and the question for a key. The browser's own dialog keeps the focus inside. */
import { el, icon, iconButton } from './dom.js';
import { preference, setPreference } from './preferences.js';
import { t } from './text.js';

export function openDialog(title, build, className = '') {
    const dialog = el('dialog', { class: `dialog ${className}`, 'aria-labelledby': 'dialog-title' });
    const close = () => dialog.close();
    dialog.append(el('header', {}, el('h2', { id: 'dialog-title' }, title), iconButton('close', t('close'), close)));
    dialog.append(...build(close).filter(Boolean));
    dialog.addEventListener('close', () => dialog.remove());
    dialog.addEventListener('click', (event) => {
        if (event.target === dialog) close(); // beside it
    });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

let fields = 0;

export function field(label, control, note) {
    const id = `field-${++fields}`;
    control.id = id;
    if (note) control.setAttribute('aria-describedby', `${id}-note`);
    return el('div', { class: 'field' }, el('label', { for: id }, label), control, note ? el('p', { class: 'faint', id: `${id}-note` }, note) : null);
}

function choice(label, name, options, change) {
    const select = el('select', {}, ...options.map(([value, text]) => el('option', { value }, text)));
    select.value = preference(name);
    select.addEventListener('change', () => {
        setPreference(name, select.value);
        change?.();
    });
    return field(label, select);
}

function tick(label, checked, change) {
    const box = el('input', { type: 'checkbox', checked });
    box.addEventListener('change', () => change?.(box.checked));
    return { box, element: el('label', { class: 'tick' }, box, el('span', {}, label)) };
}

/* ---- the key ---- */

export function askKey(sentence, done) {
    const input = el('input', { type: 'password', autocomplete: 'off', required: true, value: preference('key') });
    openDialog(t('key'), (close) => {
        const form = el('form', { method: 'dialog' }, el('p', {}, sentence), field(t('key'), input, t('keyNote')), el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, t('save'))));
        form.addEventListener('submit', (event) => {
            event.preventDefault();
            setPreference('key', input.value.trim());
            close();
            done();
        });
        return [form];
    });
    input.focus();
}

/* ---- shortcuts ---- */

export function showHelp() {
    const command = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';
    const rows = [
        [['Enter'], 'keysSend'],
        [['Shift', 'Enter'], 'keysLine'],
        [['↑'], 'keysEdit'],
        [['Esc'], 'keysStop'],
        [['Shift', 'Esc'], 'keysFocus'],
        [['Shift', command, 'O'], 'keysNew'],
        [[command, 'K'], 'keysSearch'],
        [[command, 'B'], 'keysSidebar'],
        [[command, '/'], 'keysHelp'],
    ];
    openDialog(t('help'), () => [
        el('dl', { class: 'keys' }, ...rows.map(([keys, name]) => el('div', {}, el('dt', {}, t(name)), el('dd', {}, ...keys.flatMap((key, i) => [i ? ' + ' : null, el('kbd', {}, key)]).filter(Boolean))))),
    ]);
}

/* ---- settings ---- */

function generalPart(app) {
    const key = el('input', { type: 'password', autocomplete: 'off', value: preference('key') });
    key.addEventListener('change', () => {
        setPreference('key', key.value.trim());
        app.connect();
    });
    return el(
        'section',
        {},
        el('h3', {}, t('general')),
        choice(t('language'), 'language', [['auto', t('auto')], ['en', 'English'], ['zh', '中文']], () => app.tell('language')),
        choice(t('theme'), 'theme', [['auto', t('system')], ['light', t('light')], ['dark', t('dark')]]),
        tick(t('unfold'), preference('unfold'), (on) => setPreference('unfold', on)).element,
        field(t('key'), key, t('keyNote')),
    );
}

function chatPart(app) {
    const sampling = app.sampling;
    const system = el('textarea', { rows: '4', value: app.system || '' });
    const numbers = {};
    const numberField = (name, label, attributes) => {
        numbers[name] = el('input', { type: 'number', inputmode: 'decimal', placeholder: t('serverDefault'), value: sampling[name] ?? '', ...attributes });
        return field(label, numbers[name]);
    };
    const forNew = tick(t('forNew'), false);
    const save = () => {
        const values = { system: system.value, sampling: {} };
        for (const [name, input] of Object.entries(numbers)) if (input.value !== '' && input.validity.valid) values.sampling[name] = Number(input.value);
        app.setChatSettings(values);
        if (!forNew.box.checked) return;
        setPreference('system', values.system);
        setPreference('sampling', values.sampling);
    };
    const section = el(
        'section',
        {},
        el('h3', {}, t('thisChat')),
        field(t('systemPrompt'), system, t('systemPromptNote')),
        el(
            'div',
            { class: 'field-row' },
            numberField('temperature', t('temperature'), { min: '0', max: '2', step: '0.1' }),
            numberField('top_p', t('topP'), { min: '0.01', max: '1', step: '0.01' }),
            numberField('max_tokens', t('maxTokens'), { min: '1', step: '1' }),
            numberField('seed', t('seed'), { min: '0', step: '1' }),
        ),
        forNew.element,
    );
    section.addEventListener('change', save);
    return section;
}

function pricesPart(app) {
    const prices = preference('prices');
    const inputs = {};
    const priceField = (name, label, attributes) => {
        inputs[name] = el('input', { value: prices[name] ?? '', ...attributes });
        return field(label, inputs[name]);
    };
    const money = { type: 'number', min: '0', step: 'any', inputmode: 'decimal' };
    const row = el('div', { class: 'field-row' }, priceField('miss', t('priceMiss'), money), priceField('hit', t('priceHit'), money), priceField('output', t('priceOutput'), money), priceField('currency', t('currency'), { type: 'text', placeholder: 'USD', maxlength: '8' }));
    row.addEventListener('change', () => {
        setPreference('prices', Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()])));
        app.tell('refresh');
    });
    return el('section', {}, el('h3', {}, t('prices')), el('p', { class: 'faint' }, t('pricesNote')), row);
}

function dataPart(app, close) {
    const picker = el('input', { type: 'file', accept: '.json,application/json,.zip,application/zip', hidden: true, 'aria-label': t('import') });
    picker.addEventListener('change', () => {
        if (picker.files[0]) app.importFile(picker.files[0]);
        close();
    });
    const button = (name, label, act, danger) => el('button', { type: 'button', class: `button${danger ? ' danger' : ''}`, onclick: act }, icon(name), label);
    return el(
        'section',
        {},
        el('h3', {}, t('data')),
        el('p', { class: 'faint' }, t('dataNote'), ' ', t('importNote')),
        el(
            'div',
            { class: 'button-row' },
            button('save', t('exportAll'), () => app.exportChats()),
            button('file', t('import'), () => picker.click()),
            button('bin', t('deleteAll'), () => (close(), app.deleteAll()), true),
            picker,
        ),
        el('p', { class: 'faint' }, app.offers?.version ? `hadal ${app.offers.version} · ` : '', el('a', { href: new URL('../licences.txt', import.meta.url).href, target: '_blank', rel: 'noopener' }, t('licences'))),
    );
}

export function showSettings(app) {
    openDialog(t('settings'), (close) => [generalPart(app), chatPart(app), pricesPart(app), dataPart(app, close)], 'wide');
}
