/** How the page looks: one column on a telephone, two on a desk, without colours that only light or only dark could carry; and on paper. */
export const pageStyle = `
:root{color-scheme:light dark;--ground:#f4f6f8;--card:#fff;--ink:#1b1f24;--quiet:#57606a;--rule:#d5dae0;--good:#00694e;--bad:#a83f00;--notice:#fff3df}
@media screen and (prefers-color-scheme:dark){:root{--ground:#0d1014;--card:#14181d;--ink:#e6e9ed;--quiet:#a3acb8;--rule:#2d343c;--good:#2fc79a;--bad:#f79a62;--notice:#33260f}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main{max-width:1040px;margin:0 auto;padding:0 16px}
main{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);column-gap:16px}
section{grid-column:1/-1;min-width:0}
h1{font-size:1.6rem;line-height:1.25;margin:1.5rem 0 .5rem}
h2{font-size:1.2rem;margin:2.25rem 0 .5rem}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.4rem 0}
.verdict{font-size:1.05rem}
.note{color:var(--quiet);font-size:.85rem;overflow-wrap:anywhere}
.notice{background:var(--notice);border-radius:6px;padding:.5rem .75rem;overflow-wrap:anywhere}
.plain{list-style:none;padding:0}
.plain li{margin:.5rem 0}
code{font:.85em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:16px;align-items:start;margin:.75rem 0}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:8px;overflow:hidden;min-width:0}
figure svg{display:block;width:100%;height:auto}
figcaption{padding:12px 14px 0}
figure .scroll{padding:0 14px 12px}
details{border-top:1px solid var(--rule);padding:.5rem 0}
figure details{padding:.5rem 14px}
figure details .scroll{padding:0;max-height:22rem}
figure td{white-space:nowrap}
summary{cursor:pointer;color:var(--quiet);font-size:.9rem}
.scroll{overflow:auto;position:relative}
table{border-collapse:collapse;font-size:.85rem;margin:.5rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--rule)}
th{color:var(--quiet);font-weight:600}
.number{text-align:right;white-space:nowrap}
.reached,.missed,.open{white-space:nowrap;font-weight:600}
.reached{color:var(--good)}
.missed{color:var(--bad)}
.open{color:var(--quiet)}
small{color:var(--quiet);font-size:.92em}
.promises{width:100%}
.promises td:first-child{width:34%}
.promises .promise th{padding-top:1.1rem;color:var(--ink);font-size:1.05em}
figcaption.note{padding:0 14px 12px}
:focus-visible{outline:2px solid #0072b2;outline-offset:2px}
@media screen and (min-width:840px){.half{grid-column:auto}}
@media screen and (max-width:640px){
.stacked thead{position:absolute;clip-path:inset(50%)}
.stacked,.stacked tbody,.stacked tr,.stacked td{display:block}
.stacked tr{border-bottom:1px solid var(--rule);padding:.5rem 0}
.stacked td{border:0;padding:.1rem 0;text-align:left;white-space:normal;overflow-wrap:anywhere}
.stacked td:empty{display:none}
.stacked .promise{padding:0}
.promises .promise th{display:block;padding:.9rem 0 .3rem}
.promises td:first-child{width:auto;font-weight:600}
.promises td:first-child small{font-weight:400}
.stacked td[data-name]:not([data-name=""])::before{content:attr(data-name) ": ";color:var(--quiet)}
}
@media print{
body{background:none;font-size:10pt}
header,main{max-width:none;padding:0}
.figures{grid-template-columns:1fr 1fr}
figure,tr{break-inside:avoid}
h2{break-after:avoid}
.scroll{overflow:visible;max-height:none!important}
table{font-size:8pt}
td{overflow-wrap:anywhere}
}
`;
