/**
 * Lets a model compute in one thread where a test, or a program that it starts, does not say how many: test files run
 * side by side, one to a core, and threads that wait for each other on a busy core burn it. What must hold in several
 * threads asks for them.
 */
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

os.availableParallelism = () => 1;
syncBuiltinESMExports();
