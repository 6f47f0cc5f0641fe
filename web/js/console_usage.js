/* console_usage.js - tokens and amounts by day, model and key, and the same as a file for a spreadsheet. */
import { el } from './dom.js';
import { barChart } from './chart.js';
import { button, count, dayName, daysBetween, heading, money, period, PERIODS, select, short, table, tile, tiles } from './figures.js';
import { t } from './text.js';

const CLASSES = ['hit', 'miss', 'output', 'reasoning'];

function byDay(rows, days, values) {
    const found = new Map(rows.map((row) => [row.day, row]));
    return days.map((day) => ({ name: dayName(day), values: values.map((value) => Number(found.get(day)?.[value] || 0)) }));
}

/** Two pictures of a span: tokens by class, and what they cost. */
export async function usageCharts(panel, { since, until, model, key }, from = '/account') {
    const ask = { by: 'day', since, until };
    if (model) ask.model = model;
    if (key) ask.key = key;
    const { data } = await panel.act(`${from}/usage`, ask);
    if (data.length === 0) return [el('p', { class: 'empty' }, t('noUsage'))];
    const days = daysBetween(since, until);
    const currency = panel.me?.currency || data[0].currency;
    const own = data.filter((row) => row.currency === currency);
    const series = CLASSES.map((name) => t(`class_${name}`));
    const cards = [
        barChart(t('tokensByDay'), { rows: byDay(own, days, CLASSES), series, format: short }),
        barChart(t('amountByDay'), { rows: byDay(own, days, ['amount']), series: [t('amount')], format: (value) => money(value, currency) }),
    ];
    return [el('div', { class: 'cards' }, ...cards)];
}

const sumColumns = () => [
    { title: t('requests'), number: true, value: (row) => count(row.requests) },
    { title: t('class_hit'), number: true, value: (row) => count(row.hit) },
    { title: t('class_miss'), number: true, value: (row) => count(row.miss) },
    { title: t('class_output'), number: true, value: (row) => count(row.output) },
    { title: t('class_reasoning'), number: true, value: (row) => count(row.reasoning) },
    { title: t('calls'), number: true, value: (row) => count(row.calls) },
    { title: t('amount'), number: true, value: (row) => money(row.amount, row.currency) },
];

/** Sums by model, key or whatever `by` is. */
export function sumTable(title, name, rows) {
    return table(title, [{ title: t(name), value: (row) => (name === 'key' ? row.name || `#${row.key}` : row[name]) }, ...sumColumns()], rows);
}

function totals(rows, currency) {
    const sum = (name) => rows.reduce((all, row) => all + Number(row[name]), 0);
    const prompt = sum('hit') + sum('miss');
    const share = prompt ? t('ofPrompts', { share: `${Math.round((100 * sum('hit')) / prompt)} %` }) : '';
    return tiles(
        tile(t('amount'), money(sum('amount'), currency)),
        tile(t('requests'), count(sum('requests'))),
        tile(t('cachedTokens'), short(sum('hit')), share),
        tile(t('outputTokens'), short(sum('output') + sum('reasoning'))),
    );
}

export async function renderUsage(box, panel) {
    const [models, keys] = await Promise.all([panel.models(), panel.act('/account/key/list')]);
    const chosen = { period: 'month30', model: '', key: '' };
    const body = el('div', { class: 'section' });
    const paint = async () => {
        const wanted = panel.stamp();
        const span = period(chosen.period);
        const ask = { ...span, ...(chosen.model && { model: chosen.model }), ...(chosen.key && { key: chosen.key }) };
        const [charts, byModel, byKey] = await Promise.all([usageCharts(panel, ask), panel.act('/account/usage', { ...ask, by: 'model' }), panel.act('/account/usage', { ...ask, by: 'key' })]);
        if (!wanted()) return;
        body.replaceChildren(totals(byModel.data, panel.me.currency), ...charts, heading(t('byModel')), sumTable(t('byModel'), 'model', byModel.data), heading(t('byKey')), sumTable(t('byKey'), 'key', byKey.data));
    };
    const change = (name) => (value) => {
        chosen[name] = value;
        panel.attempt(paint);
    };
    const save = () => panel.attempt(() => panel.saveCsv('/account/usage', { by: 'detail', ...period(chosen.period) }, `usage-${chosen.period}.csv`));
    box.append(
        heading(
            '',
            select(t('period'), PERIODS.map((name) => [name, t(`period_${name}`)]), chosen.period, change('period')),
            select(t('model'), [['', t('allModels')], ...models.map((name) => [name, name])], '', change('model')),
            select(t('key'), [['', t('allKeys')], ...keys.data.map((key) => [String(key.id), key.name || key.key])], '', change('key')),
            button(t('saveCsv'), save),
        ),
        body,
    );
    await paint();
}
