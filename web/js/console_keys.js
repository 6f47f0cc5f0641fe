/* console_keys.js - keys: made and shown once, capped, ended. The operator's page shows those of any account with it. */
import { copyText, el } from './dom.js';
import { field, openDialog } from './dialogs.js';
import { button, date, heading, money, table } from './figures.js';
import { t } from './text.js';

/** A secret that is shown this once. */
export function showSecret(title, note, secret) {
    const shown = el('input', { class: 'secret', readonly: true, value: secret, 'aria-label': title });
    const copy = button(t('copy'), async () => {
        await copyText(secret);
        copy.textContent = t('copied');
    }, 'primary');
    openDialog(title, (close) => [el('section', {}, el('p', { class: 'lead' }, note), shown, el('div', { class: 'dialog-end button-row' }, copy, button(t('close'), close)))]);
    shown.select();
}

const capFields = (key = {}) => {
    const cap = el('input', { type: 'number', min: '0', step: 'any', inputmode: 'decimal', value: Number(key.cap) > 0 ? String(Number(key.cap)) : '' });
    const each = el('select', {}, ...['total', 'day', 'month'].map((name) => el('option', { value: name }, t(`cap_${name}`))));
    each.value = key.cap_period || 'total';
    return { cap, each, row: el('div', { class: 'field-row' }, field(t('cap'), cap, t('capNote')), field(t('capPeriod'), each)) };
};

function formDialog(title, parts, label, submit) {
    openDialog(title, (close) => {
        const form = el('form', {}, ...parts, el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, label)));
        form.addEventListener('submit', async (event) => {
            event.preventDefault();
            if (await submit()) close();
        });
        return [form];
    });
}

/** Without what is empty. */
export const filled = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '' && value !== undefined && value !== null));

function addKey(panel, path, account, done) {
    const name = el('input', { maxlength: '60', required: true });
    const expires = el('input', { type: 'date' });
    const models = el('input', { placeholder: t('all'), spellcheck: 'false' });
    const addresses = el('input', { placeholder: t('all'), spellcheck: 'false' });
    const { cap, each, row } = capFields();
    const parts = [field(t('name'), name), row, field(t('expires'), expires), field(t('keyModels'), models, t('separated')), field(t('keyAddresses'), addresses, t('separated'))];
    formDialog(t('newKey'), parts, t('create'), async () => {
        const ask = filled({ ...account, name: name.value.trim(), expires: expires.value, models: models.value.trim(), addresses: addresses.value.trim(), cap: cap.value, 'cap-period': cap.value && each.value });
        return panel.attempt(async () => {
            const made = await panel.act(`${path}/key/add`, ask);
            await done();
            showSecret(t('keyMade'), t('keyMadeNote'), made.key);
        });
    });
}

function changeKey(panel, path, key, done) {
    const name = el('input', { maxlength: '60', value: key.name });
    const { cap, each, row } = capFields(key);
    formDialog(t('changeKey'), [field(t('name'), name), row], t('save'), () =>
        panel.attempt(async () => {
            await panel.act(`${path}/key/set`, { id: key.id, name: name.value.trim(), cap: cap.value || '0', 'cap-period': each.value });
            await done();
        }, t('saved')),
    );
}

function revokeKey(panel, path, key, done) {
    openDialog(t('revoke'), (close) => {
        const end = async () => {
            const ended = await panel.attempt(async () => {
                await panel.act(`${path}/key/revoke`, { id: key.id });
                await done();
            }, t('revoked'));
            if (ended) close();
        };
        return [el('section', {}, el('p', { class: 'lead' }, t('revokeNote', { name: key.name || key.key })), el('div', { class: 'dialog-end button-row' }, button(t('cancel'), close), button(t('revoke'), end, 'danger')))];
    });
}

const isOver = (key) => key.revoked || (key.expires && new Date(key.expires) <= new Date());

function state(key) {
    if (key.revoked) return el('span', { class: 'badge off' }, t('isRevoked'));
    if (isOver(key)) return el('span', { class: 'badge off' }, t('hasExpired'));
    return el('span', { class: 'badge on' }, t('active'));
}

function limits(key, currency) {
    const parts = [];
    if (Number(key.cap) > 0) parts.push(`${money(key.cap, currency)} ${t(`cap_${key.cap_period}`)}`);
    if (key.models) parts.push(key.models);
    if (key.addresses) parts.push(key.addresses);
    return parts.join(' · ') || '–';
}

/** path: '/account' or '/admin', which takes an account. */
export function keyTable(panel, path, keys, currency, done) {
    return table(
        t('keys'),
        [
            { title: t('name'), value: (key) => key.name || `#${key.id}` },
            { title: t('key'), value: (key) => el('code', {}, key.key) },
            { title: t('state'), value: state },
            { title: t('limits'), className: 'wrap', value: (key) => limits(key, currency) },
            { title: t('spent'), number: true, value: (key) => money(key.spent, currency) },
            { title: t('created'), value: (key) => date(key.created) },
            { title: t('expires'), value: (key) => date(key.expires) },
            { title: '', value: (key) => (isOver(key) ? '' : el('div', { class: 'row-buttons' }, button(t('edit'), () => changeKey(panel, path, key, done)), button(t('revoke'), () => revokeKey(panel, path, key, done), 'danger'))) },
        ],
        keys,
        t('noKeys'),
    );
}

export async function renderKeys(box, panel, path = '/account', account = {}) {
    const body = el('div');
    const currency = account.currency || panel.me?.currency || 'USD';
    const named = account.account ? { account: account.account } : {};
    const paint = async () => {
        const { data } = await panel.act(`${path}/key/list`, named);
        body.replaceChildren(keyTable(panel, path, data, currency, paint));
    };
    box.append(heading(t('keysNoteShort'), button(t('newKey'), () => addKey(panel, path, named, paint), 'primary')), body);
    await paint();
}
