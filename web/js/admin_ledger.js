/* admin_ledger.js - transfers and their entries, newest first, page by page. */
import { el } from './dom.js';
import { field, openDialog } from './dialogs.js';
import { filled } from './console_keys.js';
import { button, instant, table } from './figures.js';
import { t } from './text.js';

const PAGE = 50; // transfers
const KINDS = ['topup', 'grant', 'withdraw', 'expire', 'reserve', 'settle'];

function explain(panel, request) {
    panel.attempt(async () => {
        const { explained } = await panel.act('/admin/quote', { request });
        openDialog(t('bill'), () => [el('section', {}, el('div', { class: 'code-box' }, el('pre', { tabindex: '0', role: 'region', 'aria-label': t('bill') }, explained)))], 'wide');
    });
}

function requestButton(panel, request) {
    return el('button', { type: 'button', class: 'text-button', title: `${t('bill')}: ${request}`, onclick: () => explain(panel, request) }, el('code', {}, request.slice(0, 12)));
}

const once = (show) => (row) => (row.more ? '' : show(row)); // a transfer's cells stand in its first row

const columns = (panel) => [
    { title: '#', number: true, value: once((row) => String(row.transfer)) },
    { title: t('time'), value: once((row) => instant(row.time)) },
    { title: t('kind'), value: once((row) => t(`kind_${row.kind}`)) },
    { title: t('account'), value: once((row) => row.account) },
    { title: t('book'), value: (row) => el('code', {}, row.book) },
    { title: t('amount'), number: true, value: (row) => el('span', { class: row.amount.startsWith('-') ? 'bad' : null }, row.amount) },
    { title: t('request'), value: once((row) => (row.kind === 'settle' ? requestButton(panel, row.request) : el('code', {}, row.request.slice(0, 12)))) },
    { title: t('note'), className: 'wrap', value: once((row) => row.note) },
];

export async function renderLedger(box, panel) {
    const inputs = {
        account: el('input', { spellcheck: 'false' }),
        kind: el('select', {}, el('option', { value: '' }, t('all')), ...KINDS.map((kind) => el('option', { value: kind }, t(`kind_${kind}`)))),
        request: el('input', { spellcheck: 'false' }),
        since: el('input', { type: 'date' }),
        until: el('input', { type: 'date' }),
    };
    const body = el('div', { class: 'section' });
    let asking = 0; // which asking: what comes for an earlier one is dropped
    const asked = () => filled(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()])));
    /* pages: what each page so far comes before, the last one being shown. */
    const paint = async (pages) => {
        const wanted = panel.stamp();
        const mine = ++asking;
        const { data } = await panel.act('/admin/ledger', filled({ ...asked(), limit: PAGE, before: pages.at(-1) }));
        if (!wanted() || mine !== asking) return;
        const transfers = new Set(data.map((row) => row.transfer)).size;
        const turn = (to) => async () => {
            await panel.attempt(() => paint(to));
            body.querySelector('.frame')?.focus();
        };
        const newer = button(t('newer'), turn(pages.slice(0, -1)));
        const older = button(t('older'), turn([...pages, data.at(-1)?.transfer]));
        newer.disabled = pages.length === 1;
        older.disabled = transfers < PAGE;
        const rows = data.map((row, i) => ({ ...row, more: row.transfer === data[i - 1]?.transfer }));
        body.replaceChildren(table(t('ledger'), columns(panel), rows, t('noMatches')), el('div', { class: 'pager' }, newer, el('span', { class: 'faint' }, t('page', { number: pages.length })), older));
    };
    const form = el('form', { class: 'filters' }, ...Object.entries(inputs).map(([name, input]) => field(t(name), input)), el('button', { class: 'button primary' }, t('filter')), button(t('saveCsv'), () => panel.attempt(() => panel.saveCsv('/admin/ledger', { ...asked(), limit: 1000000 }, 'ledger.csv'))));
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        panel.attempt(() => paint([undefined]));
    });
    box.append(form, body);
    await paint([undefined]);
}
