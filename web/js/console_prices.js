/* console_prices.js - what each class of tokens and calls costs at this moment, and the windows of the day. */
import { el } from './dom.js';
import { heading, instant, money, table } from './figures.js';
import { t } from './text.js';

const TOKENS = ['hit', 'miss', 'output', 'reasoning'];

const REST = ''; // outside of all windows

/* A row for each time of the day that has prices of its own. */
function timesOf(rows) {
    const windows = [...new Set(rows.flatMap((row) => row.windows.map((window) => window.window)))];
    return [...windows, REST];
}

const priceAt = (row, time) => (time === REST ? row.price : (row.windows.find((window) => window.window === time)?.price ?? row.price));

function rowsOf(name, rows, key) {
    const times = timesOf(rows);
    return times.map((time, i) => ({ name, more: i > 0, time, alone: times.length === 1, open: rows[0].window === time, prices: Object.fromEntries(rows.map((row) => [row[key], priceAt(row, time)])), currency: rows[0].currency }));
}

function timeCell(row) {
    const text = row.time || (row.alone ? t('always') : t('otherwise'));
    return el('span', {}, text, ' ', row.open && !row.alone ? el('span', { class: 'badge on' }, t('now')) : null);
}

const groupBy = (rows, key) => [...new Set(rows.map((row) => row[key]))].map((name) => [name, rows.filter((row) => row[key] === name)]);

/** One table for tokens of models, one for calls, which all models share. */
export function priceTables(rows) {
    const amount = (value, currency) => (value === undefined ? '–' : money(value, currency));
    const tokens = rows.filter((row) => TOKENS.includes(row.class));
    const tokenRows = groupBy(tokens, 'model').flatMap(([model, own]) => rowsOf(model, own, 'class'));
    const columns = [
        { title: t('model'), value: (row) => (row.more ? '' : row.name) },
        { title: t('when'), value: timeCell },
        ...TOKENS.map((name) => ({ title: t(`class_${name}`), number: true, value: (row) => amount(row.prices[name], row.currency) })),
    ];
    const calls = rows.filter((row) => !TOKENS.includes(row.class));
    const callRows = groupBy(calls, 'class').flatMap(([name, own]) => rowsOf(name, own.slice(0, 1), 'class'));
    const callColumns = [
        { title: t('class'), value: (row) => (row.more ? '' : t(`class_${row.name}`)) },
        { title: t('when'), value: timeCell },
        { title: t('perThousand'), number: true, value: (row) => money(Number(row.prices[row.name]) / 1000, row.currency) },
    ];
    return [heading(t('perMillion')), table(t('pricesTokens'), columns, tokenRows), ...(calls.length ? [heading(t('pricesCalls')), table(t('pricesCalls'), callColumns, callRows)] : [])];
}

export async function renderPrices(box, panel) {
    const models = await panel.models();
    const { data, prices } = await panel.act('/account/prices/now', { models: models.join(',') });
    box.append(el('p', { class: 'lead' }, t('pricesLead', { name: prices, time: instant(new Date().toISOString()) })), ...priceTables(data));
}
