import { BoolColumn, Float64Column, Int32Column, Int64Column } from "./fixed_columns.ts";
import type { JsonColumn } from "./json_column.ts";
import { BinaryColumn, TextColumn } from "./text_columns.ts";

/**
 * Source of the parts of a scanner. In all of them `b` is the buffer, `v` a DataView of it, `p` the position, `end` one
 * past the row's last byte, `o` the row to write and `c` the byte at hand; `break fast` leaves the row to the general
 * parser. Reads may pass `end` by less than {@linkcode SLACK_BYTES}; the next literal then finds `p` past `end`.
 */

/** Bytes that must lie behind a row in the buffer for a scanner to read it. */
export const SLACK_BYTES = 32;

const FAIL = "break fast;";

/** How a column is called in the source. */
export function columnName(id: number): string {
  return `C${id}`;
}

/** Whether the text of a column is scanned in place (binary is not: it is decoded). */
export function isInlineText(column: JsonColumn): column is TextColumn {
  return column instanceof TextColumn && !(column instanceof BinaryColumn);
}

/** A test that the bytes of `literal` stand at `p`, four at a time. */
export function emitMatch(literal: Uint8Array, isLast: boolean): string {
  const length = literal.length;
  const view = new DataView(literal.buffer, literal.byteOffset, length);
  const tests = [`end-p${isLast ? "===" : ">="}${length}`];
  let i = 0;
  for (; i + 4 <= length; i += 4) tests.push(`v.getInt32(p+${i},true)===${view.getInt32(i, true)}`);
  if (i < length && length >= 4) tests.push(`v.getInt32(p+${length - 4},true)===${view.getInt32(length - 4, true)}`);
  else for (; i < length; i++) tests.push(`b[p+${i}]===${literal[i]}`);
  return tests.join("&&");
}

/** Declarations of the arrays of a column, once for each call of a scanner. */
export function emitDeclare(column: JsonColumn, id: number): string {
  if (isInlineText(column)) {
    return `const O${id}=C${id}.offsets;let B${id}=C${id}.bytes,L${id}=B${id}.length,q${id}=O${id}[o];\n`;
  }
  if (column instanceof Float64Column || column instanceof Int32Column) return `const V${id}=C${id}.values;\n`;
  if (column instanceof Int64Column) return `const V${id}=C${id}.words;\n`;
  return column instanceof BoolColumn ? `const V${id}=C${id}.bits;\n` : "";
}

/** Room for a row's text, since no column can take more bytes than the row has. */
export function emitRoom(id: number): string {
  return `if(q${id}+(end-p)>L${id}){C${id}.room(q${id},end-p);B${id}=C${id}.bytes;L${id}=B${id}.length;}\n`;
}

/** Takes up where another parser has written. */
export function emitRefresh(id: number): string {
  return `B${id}=C${id}.bytes;L${id}=B${id}.length;q${id}=O${id}[o];`;
}

/** Takes up behind the row at hand, in which another parser has written this column. */
export function emitResume(id: number): string {
  return `B${id}=C${id}.bytes;L${id}=B${id}.length;q${id}=O${id}[o+1];\n`;
}

/** A value or null at `p`. */
export function emitValue(column: JsonColumn, id: number): string {
  const value = emitPresent(column, id);
  if (!column.isNullable) return `c=b[p];${value}`;
  return `c=b[p];if(c===110){if(v.getInt32(p,true)!==0x6c6c756e)${FAIL}p+=4;C${id}.setNull(o);}else{${value}}\n`;
}

function emitPresent(column: JsonColumn, id: number): string {
  if (isInlineText(column)) return emitText(id);
  if (column instanceof Float64Column) return emitFloat64(id);
  if (column instanceof Int32Column) return emitInt32(id);
  if (column instanceof Int64Column) return emitInt64(id);
  return column instanceof BoolColumn ? emitBool(id) : emitParse(id, "p");
}

/** Leaves one value to the column's own parser. */
function emitParse(id: number, from: string): string {
  return `p=C${id}.parse(b,${from},end,o);if(p<0)${FAIL}`;
}

function emitText(id: number): string {
  return `{if(c!==34)${FAIL}const s=p++;let h=0,q=q${id};
while(p+4<=end){const w=v.getInt32(p,true),x=w^0x22222222,y=w^0x5c5c5c5c;
if(((w|x-0x01010101&~x|y-0x01010101&~y|w-0x20202020)&0x80808080)!==0)break;
const d=B${id};d[q]=w;d[q+1]=w>>8;d[q+2]=w>>16;d[q+3]=w>>24;q+=4;p+=4;}
for(;;){if(p>=end)${FAIL}c=b[p++];if(c===34){if(h>=128&&badUtf8(b,s+1,p-1)>=0)${FAIL}break;}
if(c===92||c<32){${emitParse(id, "s")}q=O${id}[o+1];break;}
h|=c;B${id}[q++]=c;}
q${id}=q;O${id}[o+1]=q;}\n`;
}

/** `neg`, and `c` as the first digit's value. */
const SIGN = `let neg=false;const s=p;if(c===45){neg=true;c=b[++p];}c-=48;if(c<0||c>9)${FAIL}`;

/** Further digits into the int32 `m`; it wraps past 9 digits, which `nd` tells. */
const DIGITS = `while((c=b[p]-48)>=0&&c<=9){m=Math.imul(m,10)+c|0;p++;}`;

/** What follows the digits is `.`, `e` or `E`, each less 48. */
const IS_NO_END = "c===-2||c===53||c===21";

function emitFloat64(id: number): string {
  return `{${SIGN}let m=c,q=p++;${DIGITS}let nd=p-q,fd=0;if(nd>1&&b[q]===48)${FAIL}
if(c===-2){q=++p;${DIGITS}fd=p-q;if(fd===0)${FAIL}nd+=fd;}
if(nd>9||c===53||c===21){${emitParse(id, "s")}}
else{const x=m/POWERS_OF_TEN[fd];V${id}[o]=neg?-x:x;}}\n`;
}

function emitInt32(id: number): string {
  return `{${SIGN}let m=c;const q=p++;${DIGITS}const nd=p-q;
if(nd>9){${emitParse(id, "s")}}
else{if((nd>1&&b[q]===48)||${IS_NO_END})${FAIL}V${id}[o]=neg?-m:m;}}\n`;
}

/** Four digits at `p` become `w`, or the branch is left. */
function emitFourDigits(then: string): string {
  return `w=v.getInt32(p,true)^0x30303030;if(((w+0x06060606|w)&0xf0f0f0f0)===0){
w=Math.imul(w,2561)>>>8&0x00ff00ff;w=Math.imul(w,6553601)>>>16;p+=4;${then}}`;
}

/** Up to 8 digits into `m`, up to 7 more into `t`. */
function emitInt64(id: number): string {
  return `{let neg=false;const s=p;if(c===45){neg=true;p++;}const q=p;let m=0,t=0,k=1,w=0;
${emitFourDigits(`m=w;${emitFourDigits(`m=Math.imul(m,10000)+w|0;${emitFourDigits("t=w;k=10000;")}`)}`)}
while((c=b[p]-48)>=0&&c<=9&&p-q<15){t=Math.imul(t,10)+c|0;k=Math.imul(k,10);p++;}
if(p===q||(p-q>1&&b[q]===48)||${IS_NO_END})${FAIL}
if(c>=0&&c<=9){${emitParse(id, "s")}}
else{let x=m*k+t;if(neg)x=-x;const h=Math.floor(x*2.3283064365386963e-10);V${id}[2*o]=x-h*4294967296;V${id}[2*o+1]=h;}}\n`;
}

function emitBool(id: number): string {
  return `{const w=v.getInt32(p,true);if(w===0x65757274){V${id}[o>>3]|=1<<(o&7);p+=4;}
else if(w===0x736c6166&&b[p+4]===101){V${id}[o>>3]&=~(1<<(o&7));p+=5;}else ${FAIL}}\n`;
}
