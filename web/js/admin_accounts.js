/* admin_accounts.js - accounts: made, paid for, limited, suspended; their keys. */
import { el, iconButton } from './dom.js';
import { field, openDialog } from './dialogs.js';
import { filled, renderKeys } from './console_keys.js';
import { button, count, date, heading, money, select, table } from './figures.js';
import { openMenu } from './menu.js';
import { t } from './text.js';

function formDialog(title, rows, submit) {
    openDialog(title, (close) => {
        const form = el('form', {}, ...rows, el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, t('save'))));
        form.addEventListener('submit', async (event) => {
            event.preventDefault();
            if (await submit()) close();
        });
        return [form];
    });
}

const amountInput = () => el('input', { type: 'number', min: '0.000001', step: 'any', inputmode: 'decimal', required: true });
const choice = (values, value) => {
    const control = el('select', {}, ...values.map((name) => el('option', { value: name }, name)));
    control.value = value;
    return control;
};

function addAccount(panel, groups, done) {
    const name = el('input', { required: true, maxlength: '64', pattern: '[A-Za-z0-9._@+\\-]+', spellcheck: 'false' });
    const currency = el('input', { value: 'USD', pattern: '[A-Z]{3}', maxlength: '3', required: true });
    const group = choice(groups, 'default');
    const concurrency = el('input', { type: 'number', min: '0', step: '1', value: '0' });
    formDialog(t('newAccount'), [field(t('name'), name, t('nameNote')), el('div', { class: 'field-row' }, field(t('currency'), currency), field(t('group'), group)), field(t('concurrency'), concurrency, t('concurrencyNote'))], () =>
        panel.attempt(async () => {
            await panel.act('/admin/add', { account: name.value.trim(), currency: currency.value, group: group.value, concurrency: concurrency.value || '0' });
            await done();
        }, t('saved')),
    );
}

function payDialog(panel, account, kind, done) {
    const amount = amountInput();
    const note = el('input', { maxlength: '200' });
    const expires = el('input', { type: 'date' });
    const rows = [field(`${t('amount')} (${account.currency})`, amount), field(t('note'), note)];
    if (kind === 'grant') rows.push(field(t('expires'), expires));
    formDialog(`${t(kind)}: ${account.account}`, rows, () =>
        panel.attempt(async () => {
            await panel.act(`/admin/${kind}`, filled({ account: account.account, amount: amount.value, note: note.value.trim(), expires: expires.value }));
            await done();
        }, t('saved')),
    );
}

function editAccount(panel, account, groups, done) {
    const group = choice(groups, account.group);
    const role = choice(['user', 'admin'], account.role);
    const concurrency = el('input', { type: 'number', min: '0', step: '1', value: String(account.concurrency) });
    const warn = el('input', { type: 'number', min: '0', step: 'any', placeholder: t('unchanged') });
    formDialog(account.account, [el('div', { class: 'field-row' }, field(t('group'), group), field(t('role'), role)), field(t('concurrency'), concurrency, t('concurrencyNote')), field(t('warnBelow'), warn)], () =>
        panel.attempt(async () => {
            await panel.act('/admin/set', filled({ account: account.account, group: group.value, role: role.value, concurrency: concurrency.value || '0', 'warn-below': warn.value }));
            await done();
        }, t('saved')),
    );
}

function showKeys(panel, account) {
    const body = el('section', { class: 'section' });
    openDialog(`${t('keys')}: ${account.account}`, () => [body], 'wide');
    panel.attempt(() => renderKeys(body, panel, '/admin', account));
}

function groupsCard(panel, groups, done) {
    const name = el('input', { required: true, maxlength: '64' });
    const multiplier = el('input', { type: 'number', min: '0', step: 'any', required: true });
    const form = el('form', { class: 'inline-form' }, field(t('group'), name), field(t('multiplier'), multiplier), el('button', { class: 'button' }, t('save')));
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        await panel.attempt(async () => {
            await panel.act('/admin/group/set', { group: name.value.trim(), multiplier: multiplier.value });
            await done();
        }, t('saved'));
    });
    const columns = [
        { title: t('group'), value: (row) => row.group },
        { title: t('multiplier'), number: true, value: (row) => String(Number(row.multiplier)) },
        { title: t('accounts'), number: true, value: (row) => count(row.accounts) },
    ];
    return [heading(t('groups')), el('div', { class: 'card section' }, table(t('groups'), columns, groups), form)];
}

export async function renderAccounts(box, panel) {
    const chosen = { text: '', status: '' };
    const body = el('div', { class: 'section' });
    let accounts = [];
    let groups = [];
    const suspend = (account) => panel.attempt(async () => {
        await panel.act('/admin/set', { account: account.account, status: account.status === 'active' ? 'suspended' : 'active' });
        await load();
    }, t('saved'));
    const accountMenu = (opener, row) =>
        openMenu(opener, [
            { icon: 'plus', label: t('topup'), act: () => payDialog(panel, row, 'topup', load) },
            { icon: 'wallet', label: t('grant'), act: () => payDialog(panel, row, 'grant', load) },
            { icon: 'key', label: t('keys'), act: () => showKeys(panel, row) },
            { icon: 'edit', label: t('edit'), act: () => editAccount(panel, row, groups.map((group) => group.group), load) },
            row.status === 'active' ? { icon: 'stop', label: t('suspend'), act: () => suspend(row), danger: true } : { icon: 'go', label: t('activate'), act: () => suspend(row) },
        ]);
    const columns = () => [
        { title: t('account'), value: (row) => el('span', {}, row.account, row.role === 'admin' ? ' ' : '', row.role === 'admin' ? el('span', { class: 'badge' }, 'admin') : null) },
        { title: t('state'), value: (row) => el('span', { class: `badge ${row.status === 'active' ? 'on' : 'off'}` }, t(row.status)) },
        { title: t('group'), value: (row) => row.group },
        { title: t('toppedUp'), number: true, value: (row) => money(row.topped_up, row.currency) },
        { title: t('granted'), number: true, value: (row) => money(row.granted, row.currency) },
        { title: t('reserved'), number: true, value: (row) => money(row.reserved, row.currency) },
        { title: t('concurrency'), number: true, value: (row) => (row.concurrency ? count(row.concurrency) : '∞') },
        { title: t('created'), value: (row) => date(row.created) },
        {
            title: '',
            value: (row) =>
                iconButton('more', t('accountMenu', { account: row.account }), (event) => accountMenu(event.currentTarget, row), { 'aria-haspopup': 'menu' }),
        },
    ];
    const paint = () => {
        const rows = accounts.filter((row) => row.account.includes(chosen.text) && (!chosen.status || row.status === chosen.status));
        body.replaceChildren(table(t('accounts'), columns(), rows, t('noMatches')), ...groupsCard(panel, groups, load));
    };
    const load = async () => {
        const [list, known] = await Promise.all([panel.act('/admin/list'), panel.act('/admin/group/list')]);
        accounts = list.data;
        groups = known.data;
        paint();
    };
    const filter = el('input', { type: 'search', placeholder: t('account'), 'aria-label': t('filterAccounts') });
    filter.addEventListener('input', () => {
        chosen.text = filter.value.trim();
        paint();
    });
    const state = select(t('state'), [['', t('all')], ['active', t('active')], ['suspended', t('suspended')]], '', (value) => {
        chosen.status = value;
        paint();
    });
    box.append(el('div', { class: 'filters' }, filter, state, el('span', { class: 'stretch' }), button(t('newAccount'), () => addAccount(panel, groups.map((group) => group.group), load), 'primary')), body);
    await load();
}
