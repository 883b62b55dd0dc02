/** Texts about what the server's database holds on the account. */
import { count, times } from './times.ts'

export const disclosure = {
  heading: 'What the server knows about you',
  title: 'What the server knows',
  brief: 'Every row that it keeps on your number, explained',
  lead: 'Every row of the server’s database that belongs to your number, as it stood just now. Whoever runs the server could be made to hand over these rows, and there are no more. The server has them whole. Here and in the file, sealed letters and keys, and whatever would help somebody who has stolen your sign-in, are given by their length.',
  noOthers: 'Nobody you write to is in it: no row says who wrote a letter, and no row names two people.',
  asked: (at: number) => `As of ${times.full(at)}`,
  loading: 'Asking the server…',
  save: 'Save as a file',
  again: 'Ask again',
  rows: (n: number) => count(n, 'row', 'rows'),
  kept: 'Kept',
  tells: 'It tells',
  empty: 'You have no rows in these tables',
  nobodys: 'Tables that are about nobody',
  more: (n: number) => `and ${count(n, 'more row', 'more rows')}, in the file`,
  blank: 'empty',
  file: (phone: string) => `letterbox-${phone.replace('+', '')}.json`,
}
