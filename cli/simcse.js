#!/usr/bin/env node
// Kept in git, since npm links a command before it builds it.
import "./dist/tools/simcse.js";
