// Types that fail to compile. `Holds<Assignable<A, B>>` is an error at the line that states it.

/** Whether a value of `From` may stand where `To` is asked for. */
export type Assignable<From, To> = [From] extends [To] ? true : false;

/** Compiles for `true` only. */
export type Holds<T extends true> = T;
