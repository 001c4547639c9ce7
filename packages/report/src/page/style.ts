import { fontFamily } from '../draw.js';

/** The style of pages. Colours are those of `pageColours`. */
export const pageStyle = `
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0 auto;padding:2.5rem 1.5rem;max-width:66rem;background:var(--surface);color:var(--ink);font:16px/1.5 ${fontFamily}}
h1{margin:0;font-size:2rem;line-height:1.2;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{margin:0;font-size:1.25rem;line-height:1.3}
h3{margin:1.5rem 0 0;font-size:1rem}
a{color:var(--train)}
:focus-visible{outline:3px solid var(--train);outline-offset:2px}
main:focus{outline:none}
.skip{position:absolute;left:-100vw;padding:.5rem 1rem;background:var(--surface)}
.skip:focus{left:1rem;top:1rem}
header p,section>p{margin:.25rem 0 0;color:var(--muted);max-width:46rem}
section{margin-top:3rem}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:1rem 0 0;padding:.75rem 0;list-style:none;border-block:1px solid var(--grid);font-size:.9375rem}
nav a{display:inline-block;padding:.25rem 0}
.status{display:inline-block;margin:1.5rem 0 0;padding:.25rem .75rem;border:1px solid var(--mark);border-radius:999px;font-weight:600}
.remarks{margin:.75rem 0 0;padding-left:1.25rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1rem;margin:1.5rem 0 0}
.tiles>div{padding:1rem 1.25rem;border:1px solid var(--grid);border-radius:12px;background:var(--track)}
dt{color:var(--muted);font-size:.875rem}
dd{margin:0;font-size:1.75rem;font-weight:600;font-variant-numeric:tabular-nums}
dd.note{color:var(--muted);font-size:.8125rem;font-weight:400}
.scroll{overflow-x:auto;margin-top:1rem}
figure{margin:1rem 0 0;border:1px solid var(--grid);border-radius:12px;overflow:hidden}
figure .scroll{margin:0}
figcaption{padding:.5rem 1rem .75rem;color:var(--muted);font-size:.875rem}
figure svg,figure img{display:block;max-width:100%;height:auto;margin:0 auto}
.pixels{padding:1.5rem}
.pixels img{image-rendering:pixelated}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr))}
.panels svg{width:100%}
.drawing svg{max-width:none}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
caption{padding:0 0 .5rem;text-align:left;font-weight:600}
th,td{padding:.5rem .75rem;border-bottom:1px solid var(--grid);text-align:left;vertical-align:top;overflow-wrap:break-word}
thead th{border-bottom-color:var(--mark);font-weight:600;vertical-align:bottom}
tbody th{font-weight:400;min-width:8.5rem}
td{min-width:4.5rem}
.words td{min-width:8rem}
.facts th{width:16rem;color:var(--muted)}
.facts td{overflow-wrap:anywhere}
.numbers td{white-space:nowrap;font-variant-numeric:tabular-nums}
.from1 tr>:nth-child(n+2),.from2 tr>:nth-child(n+3),.from3 tr>:nth-child(n+4){text-align:right}
.own{background:var(--track)}
.own th,.own td{font-weight:600}
p.note{margin:.5rem 0 0;color:var(--muted);font-size:.875rem;max-width:46rem}
details{margin-top:1rem}
summary{cursor:pointer;padding:.25rem 0;font-weight:600}
pre{margin:.75rem 0 0;padding:.75rem 1rem;border:1px solid var(--grid);border-radius:8px;background:var(--track);font:.875rem/1.6 ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.steps{margin:1rem 0 0;padding-left:1.5rem}
.steps li{margin-top:1rem}
.steps pre{margin-top:.25rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,9rem),1fr));gap:1.5rem 1.25rem;margin:1rem 0 0;padding:0;list-style:none}
.cards img{display:block;width:100%;height:auto;border-radius:10px;border:1px solid var(--grid)}
.truth{margin:.5rem 0 0;text-align:center;font-weight:600;overflow-wrap:anywhere}
.guesses{margin:.25rem 0 0;padding:0;list-style:none;font-size:.8125rem}
.guesses li{display:flex;justify-content:space-between;gap:.5rem;margin-top:3px;padding:.125rem .5rem;border-radius:4px;background:linear-gradient(var(--bar),var(--bar)) 0/var(--share) 100% no-repeat var(--track);--bar:var(--wrong);print-color-adjust:exact;-webkit-print-color-adjust:exact}
.guesses .right{--bar:var(--right);font-weight:600}
.guesses span:first-child{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.neighbours{margin:1rem 0 0;padding:0;list-style:none}
.neighbours>li{display:flex;gap:.5rem;margin-top:.5rem;align-items:center}
.neighbours img{display:block;width:6.5rem;height:6.5rem;border-radius:8px;border:1px solid var(--grid)}
.neighbours img:first-child{margin-right:1rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:1rem 0 0;padding:0;list-style:none}
.legend svg{vertical-align:middle;margin-right:.5rem}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--grid);color:var(--muted);font-size:.875rem}
footer p{margin:0}
@media (max-width:40rem){body{padding:1.5rem 1rem}h1{font-size:1.5rem}.tiles{grid-template-columns:repeat(2,1fr);gap:.5rem}.tiles>div{padding:.75rem}dd{font-size:1.375rem}.facts th{width:9rem}.cards{grid-template-columns:repeat(2,1fr);gap:1rem .75rem}}
@media print{:root{color-scheme:light}@page{margin:15mm}body{padding:0;max-width:none;font-size:11pt}nav,.skip{display:none}section{margin-top:1.75rem}figure,tr,pre,.cards>li,.neighbours>li,.tiles{break-inside:avoid}h2,h3,caption,section>p{break-after:avoid}.folded{display:none}.tiles{grid-template-columns:repeat(5,1fr)}.tiles>div{padding:.5rem}dd{font-size:1.25rem}.scroll{overflow:visible}.drawing svg{max-width:100%}.cards{grid-template-columns:repeat(4,1fr)}.panels{grid-template-columns:1fr 1fr}details::details-content{content-visibility:visible;block-size:auto}}
`;
