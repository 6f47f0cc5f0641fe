/* chart.js - bars by day and a line over time as SVG, drawn for the width that there is. What a picture shows is in a table
 * behind it, for whoever cannot see it or wants the figures. */
import { el } from './dom.js';
import { table } from './figures.js';
import { t } from './text.js';

const SPACE = { left: 60, right: 8, top: 10, bottom: 24 };
const HEIGHT = 200;

function shape(tag, attributes, ...children) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
}

function label(x, y, anchor, text) {
    const element = shape('text', { x, y, 'text-anchor': anchor });
    element.textContent = text;
    return element;
}

/** A round number that is not below: 1, 2 or 5 with zeros. */
export function roundUp(value) {
    if (!(value > 0)) return 1;
    const size = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value * (1 - 1e-9));
}

function axis(svg, width, top, format) {
    const inner = HEIGHT - SPACE.top - SPACE.bottom;
    for (let i = 0; i <= 4; i += 2) {
        const y = SPACE.top + inner * (1 - i / 4);
        svg.append(shape('line', { class: 'grid', x1: SPACE.left, x2: width - SPACE.right, y1: y, y2: y }));
        svg.append(label(SPACE.left - 6, y + 4, 'end', format((top * i) / 4)));
    }
}

function bar(x, y, width, height, series, words) {
    const rect = shape('rect', { class: `series-${series}`, x, y, width, height: Math.max(height, 0.5) });
    const title = shape('title', {});
    title.textContent = words;
    rect.append(title);
    return rect;
}

/* Values of a day lie on each other, or beside. */
function drawBars(width, { rows, series, format, beside, colours }) {
    const svg = shape('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, 'aria-hidden': 'true' });
    const sums = rows.map((row) => (beside ? Math.max(...row.values) : row.values.reduce((sum, value) => sum + value, 0)));
    const top = roundUp(Math.max(...sums, 0));
    const inner = { width: width - SPACE.left - SPACE.right, height: HEIGHT - SPACE.top - SPACE.bottom };
    const step = inner.width / Math.max(rows.length, 1);
    axis(svg, width, top, format);
    const every = Math.ceil(rows.length / Math.max(1, Math.floor(inner.width / 58)));
    rows.forEach((row, i) => {
        let base = SPACE.top + inner.height;
        const left = SPACE.left + i * step + step * 0.14;
        const each = beside ? (step * 0.72) / series.length : step * 0.72;
        row.values.forEach((value, s) => {
            if (!value) return;
            const height = (value / top) * inner.height;
            const y = base - height;
            if (!beside) base = y;
            svg.append(bar(beside ? left + s * each : left, y, each, height, colours[s], `${row.name}: ${series[s]} ${format(value)}`));
        });
        if (i % every === 0) svg.append(label(left + step * 0.36, HEIGHT - 6, 'middle', row.name));
    });
    return svg;
}

function drawLine(width, { values, format }) {
    const svg = shape('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, 'aria-hidden': 'true' });
    const top = roundUp(Math.max(...values, 0));
    const inner = { width: width - SPACE.left - SPACE.right, height: HEIGHT - SPACE.top - SPACE.bottom };
    axis(svg, width, top, format);
    if (values.length < 2) return svg;
    const points = values.map((value, i) => [SPACE.left + (inner.width * i) / (values.length - 1), SPACE.top + inner.height * (1 - value / top)]);
    const path = points.map(([x, y], i) => `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
    const floor = SPACE.top + inner.height;
    svg.append(shape('path', { class: 'area', d: `${path}L${points.at(-1)[0].toFixed(1)} ${floor}L${SPACE.left} ${floor}Z` }));
    svg.append(shape('path', { class: 'line', d: path }));
    return svg;
}

/** Keeps a drawing as wide as its box. */
function fitted(draw) {
    const box = el('div', { class: 'chart' });
    let width = 0;
    const paint = () => {
        const wanted = Math.max(240, Math.round(box.clientWidth));
        if (wanted === width) return;
        width = wanted;
        box.replaceChildren(draw(width));
    };
    new ResizeObserver(paint).observe(box);
    return box;
}

/** rows: [{ name, values }], series: names, format: of a value. */
export function barChart(title, given) {
    const data = { colours: given.series.length === 1 ? [2] : [1, 2, 3, 4], ...given };
    const box = fitted((width) => drawBars(width, data));
    const legend = el('ul', { class: 'legend' }, ...data.series.map((name, i) => el('li', { class: `series-${data.colours[i]}` }, name)));
    const columns = [{ title: t('day'), value: (row) => row.name }, ...data.series.map((name, i) => ({ title: name, number: true, value: (row) => data.format(row.values[i]) }))];
    const details = el('details', { class: 'as-table' }, el('summary', {}, t('asTable')), table(title, columns, data.rows.filter((row) => row.values.some(Boolean))));
    return el('figure', { class: 'card' }, el('figcaption', {}, title), data.series.length > 1 ? legend : null, box, details);
}

/** A line that goes on: add(value) draws it again. */
export function lineChart(title, format, most = 60) {
    const values = [];
    const box = el('div', { class: 'chart' });
    const paint = () => box.replaceChildren(drawLine(Math.max(240, Math.round(box.clientWidth)), { values, format }));
    new ResizeObserver(paint).observe(box);
    const figure = el('figure', { class: 'card' }, el('figcaption', {}, title), box);
    return {
        figure,
        add(value) {
            values.push(value);
            if (values.length > most) values.shift();
            paint();
        },
    };
}
