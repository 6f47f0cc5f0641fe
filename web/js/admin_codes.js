/* admin_codes.js - codes for topping up, switches of the service, and the audit. */
import { el } from './dom.js';
import { field, openDialog } from './dialogs.js';
import { download } from './transfer.js';
import { filled } from './console_keys.js';
import { button, count, date, heading, money, table } from './figures.js';
import { t } from './text.js';

/* ---- codes ---- */

function showCodes(codes, batch) {
    const text = `${codes.join('\n')}\n`;
    const area = el('textarea', { class: 'json-area', readonly: true, value: text, 'aria-label': t('codes') });
    openDialog(t('codesMade', { count: codes.length }), (close) => [el('section', {}, el('p', { class: 'lead' }, t('codesNote')), area, el('div', { class: 'dialog-end button-row' }, button(t('saveFile'), () => download(`codes-${batch || 'hadal'}.csv`, `code\n${text}`), 'primary'), button(t('close'), close)))], 'wide');
}

function codeForm(panel) {
    const inputs = {
        amount: el('input', { type: 'number', min: '0.01', step: 'any', required: true, inputmode: 'decimal' }),
        currency: el('input', { value: 'USD', pattern: '[A-Z]{3}', maxlength: '3', required: true }),
        count: el('input', { type: 'number', min: '1', max: '10000', step: '1', value: '1', required: true }),
        batch: el('input', { maxlength: '60' }),
        expires: el('input', { type: 'date' }),
    };
    const form = el('form', { class: 'card section' }, el('h2', {}, t('makeCodes')), el('div', { class: 'field-row' }, ...Object.entries(inputs).map(([name, input]) => field(t(name), input))), el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, t('create'))));
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        let made = null;
        const ask = filled(Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()])));
        if (!(await panel.change(async () => (made = await panel.act('/admin/code/make', ask))))) return;
        showCodes(made.data.map((row) => row.code), ask.batch);
    });
    return form;
}

function settingsForm(panel, settings) {
    const known = Object.fromEntries(settings.map((row) => [row.name, row.value]));
    const topups = el('input', { type: 'checkbox', checked: known.topups !== 'off' });
    const webhook = el('input', { type: 'url', placeholder: 'https://', value: known.webhook || '' });
    topups.addEventListener('change', () => panel.attempt(() => panel.act('/admin/setting/set', { name: 'topups', value: topups.checked ? 'on' : 'off' }), t('saved')));
    const form = el('form', { class: 'card section' }, el('h2', {}, t('switches')), el('label', { class: 'tick' }, topups, el('span', {}, t('topupsOn'))), field(t('webhook'), webhook, t('webhookNote')), el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, t('save'))));
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        panel.attempt(() => panel.act('/admin/setting/set', { name: 'webhook', value: webhook.value.trim() }), t('saved'));
    });
    return form;
}

export async function renderCodes(box, panel) {
    const [codes, settings] = await Promise.all([panel.act('/admin/code/list'), panel.act('/admin/setting/list')]);
    const columns = [
        { title: t('batch'), value: (row) => row.batch || '–' },
        { title: t('amount'), number: true, value: (row) => money(row.amount, row.currency) },
        { title: t('codes_count'), number: true, value: (row) => count(row.codes) },
        { title: t('redeemedCount'), number: true, value: (row) => count(row.redeemed) },
        { title: t('created'), value: (row) => date(row.created) },
        { title: t('expires'), value: (row) => date(row.expires) },
    ];
    box.append(settingsForm(panel, settings.data), codeForm(panel), heading(t('batches')), table(t('batches'), columns, codes.data));
}

/* ---- the audit ---- */

export async function renderAudit(box, panel) {
    const result = el('div', { class: 'section', 'aria-live': 'polite' });
    const run = button(t('runAudit'), async () => {
        const wanted = panel.stamp();
        run.disabled = true;
        result.replaceChildren(el('p', { class: 'lead' }, t('auditRuns')));
        await panel.attempt(async () => {
            const found = await panel.act('/admin/audit');
            if (!wanted()) return;
            const badge = el('p', { class: `badge ${found.clean ? 'on' : 'off'}` }, found.clean ? t('auditClean') : t('auditWrong'));
            const sums = el('p', { class: 'lead' }, t('auditSums', { transfers: count(found.transfers), charges: count(found.charges), open: count(found.open_reservations) }));
            result.replaceChildren(el('div', { class: 'card section' }, badge, sums, ...found.findings.map((finding) => el('p', { class: 'bad' }, finding))));
        });
        run.disabled = false;
    }, 'primary');
    box.append(el('p', { class: 'lead' }, t('auditLead')), el('div', {}, run), result);
}
