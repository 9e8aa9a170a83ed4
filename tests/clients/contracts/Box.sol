// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Holds a value, and fails in every way a contract can.
contract Box {
    uint256 public value;

    event Changed(address indexed by, uint256 before, uint256 current);

    error TooLarge(uint256 given, uint256 most);

    function version() external pure virtual returns (uint256) {
        return 1;
    }

    function set(uint256 next) public virtual {
        require(next != 0, "a box is never empty");
        if (next > 1_000_000) revert TooLarge(next, 1_000_000);
        emit Changed(msg.sender, value, next);
        value = next;
    }

    /// Panic 0x12.
    function divide(uint256 by) external view returns (uint256) {
        return value / by;
    }

    /// Reverts without any data.
    function silent() external pure {
        revert();
    }

    /// Uses up all gas.
    function endless() external {
        while (true) value += 1;
    }
}

/// What an upgraded proxy points at.
contract BoxV2 is Box {
    function version() external pure override returns (uint256) {
        return 2;
    }

    function increment() external {
        set(value + 1);
    }
}
