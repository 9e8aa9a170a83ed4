// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// A reentrancy lock in transient storage (EIP-1153).
contract Lock {
    uint256 public entered;

    error Locked();

    modifier once() {
        uint256 held;
        assembly { held := tload(0) }
        if (held != 0) revert Locked();
        assembly { tstore(0, 1) }
        _;
        assembly { tstore(0, 0) }
    }

    function enter() external once {
        entered += 1;
    }

    /// Comes back into itself while the lock is held.
    function reenter() external once {
        this.enter();
    }

    /// Leaves a value behind; it must be gone in the next transaction.
    function stash(uint256 what) external {
        assembly { tstore(1, what) }
    }

    function stashed() external view returns (uint256 what) {
        assembly { what := tload(1) }
    }

    /// Sees it within the same transaction.
    function stashAndLook(uint256 what) external returns (uint256) {
        this.stash(what);
        return this.stashed();
    }
}
