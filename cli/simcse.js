#!/usr/bin/env node
// In git, because npm links a command before the package is built.
import "./dist/tools/simcse.js";
