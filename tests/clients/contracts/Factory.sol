// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {Box} from "./Box.sol";

/// Creates boxes at addresses that are known beforehand (EIP-1014).
contract Factory {
    event Created(address indexed box, bytes32 salt);

    function create(bytes32 salt, uint256 initial) external returns (Box box) {
        box = new Box{salt: salt}();
        box.set(initial);
        emit Created(address(box), salt);
    }

    function predict(bytes32 salt) external view returns (address) {
        bytes32 hash = keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, keccak256(type(Box).creationCode)));
        return address(uint160(uint256(hash)));
    }
}
