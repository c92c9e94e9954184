import { a } from "./a"
const LIMIT = /[{"]/
export function half(n: number): number { return n / 2 }
export function free(n: number) { return { n } }
export const arrow = (n: number): { a: string } => { return { a: `x ${n} {` } }
export const plain = (n: number) => { return n }
export function lit(x: { a: number }): { a: number } | null { return x }
export async function p<T extends string>(x: T): Promise<{ a: T }> { return { a: x } }
export class Calc<T> extends Base implements I {
  private n: { a: number } = { a: 1 }
  constructor(private x: number) { super(); }
  get size(): number { return this.x }
  static of(a: string): Calc<string> { if (a) { return new Calc(1) } throw 1 }
}
export interface Shape { area(): number; o: { x: number } }
namespace N { export function g(): string { return "'" } }
