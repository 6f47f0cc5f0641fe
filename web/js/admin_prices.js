/* admin_prices.js - prices in force, earlier lists, a new one, and what a request would cost. */
import { el } from './dom.js';
import { field } from './dialogs.js';
import { filled } from './console_keys.js';
import { priceTables } from './console_prices.js';
import { button, heading, instant, select, table } from './figures.js';
import { t } from './text.js';

function setForm(panel, content) {
    const name = el('input', { required: true, value: 'deepseek', list: 'presets' });
    const area = el('textarea', { class: 'json-area', spellcheck: 'false', 'aria-label': t('ownPrices') });
    const show = button(t('startFromCurrent'), () => (area.value = content));
    const form = el('form', { class: 'card section' }, el('h2', {}, t('setPrices')), el('p', { class: 'lead' }, t('setPricesNote')), el('datalist', { id: 'presets' }, ...['deepseek', 'deepseek-2025-02', 'deepseek-2025-09'].map((value) => el('option', { value }))), field(t('priceName'), name), el('details', {}, el('summary', {}, t('ownPrices')), area, el('div', { class: 'button-row' }, show)), el('div', { class: 'dialog-end' }, el('button', { class: 'button primary' }, t('putInForce'))));
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        await panel.change(() => panel.act('/admin/prices/set', filled({ prices: name.value.trim(), content: area.value.trim() })), t('saved'));
    });
    return form;
}

function quoteForm(panel, models, currency) {
    const inputs = { model: el('input', { value: models[0] || 'deepseek-chat' }), time: el('input', { placeholder: '2025-03-10T16:30:00Z' }) };
    for (const name of ['hit', 'miss', 'output', 'reasoning']) inputs[name] = el('input', { type: 'number', min: '0', step: '1', value: name === 'miss' || name === 'output' ? '1000000' : '' });
    const result = el('div', { 'aria-live': 'polite' });
    const titles = { model: t('model'), time: t('time') };
    const form = el('form', { class: 'card section' }, el('h2', {}, t('quote')), el('div', { class: 'field-row' }, ...Object.entries(inputs).map(([name, input]) => field(titles[name] || t(`class_${name}`), input))), el('div', { class: 'dialog-end' }, el('button', { class: 'button' }, t('reckon'))), result);
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        await panel.attempt(async () => {
            const ask = filled({ currency: currency(), ...Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()])) });
            const { explained } = await panel.act('/admin/quote', ask);
            result.replaceChildren(el('div', { class: 'code-box' }, el('pre', { tabindex: '0', role: 'region', 'aria-label': t('bill') }, explained)));
        });
    });
    return form;
}

export async function renderAdminPrices(box, panel) {
    const [models, lists, shown] = await Promise.all([panel.models(), panel.act('/admin/prices/list'), panel.act('/admin/prices/show')]);
    let currency = 'USD';
    const body = el('div', { class: 'section' });
    const paint = async () => {
        const { data } = await panel.act('/admin/prices/now', { models: models.join(','), currency });
        body.replaceChildren(...priceTables(data));
    };
    const choose = select(t('currency'), ['USD', 'CNY', 'EUR'].map((name) => [name, name]), currency, (value) => {
        currency = value;
        panel.attempt(paint);
    });
    const columns = [
        { title: '#', number: true, value: (row) => String(row.id) },
        { title: t('priceName'), value: (row) => row.prices },
        { title: t('inForceSince'), value: (row) => instant(row.in_force_from) },
    ];
    await paint();
    box.append(heading(t('pricesNow', { name: shown.prices }), choose), body, quoteForm(panel, models, () => currency), setForm(panel, shown.content), heading(t('earlierLists')), table(t('earlierLists'), columns, lists.data.reverse()));
}
